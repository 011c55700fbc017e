"""Which networks are timed so that every block of a space is known, and how far sums are off."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TypeVar

from se_nas import templates
from se_nas.arch import SE, Architecture
from se_nas.errors import InputError
from se_nas.latency.blocks import Block, blocks, stage_blocks, stage_shapes
from se_nas.latency.settings import Signature
from se_nas.latency.table import (
    Latency,
    LatencyTable,
    Measurements,
    Profile,
    Timed,
    network_key,
)
from se_nas.space import Space
from se_nas.trunks import Trunk

# Of one stage: beyond that, options are drawn at random instead of listed.
OPTIONS = 2000
DRAWS = 1000

T = TypeVar("T")


class Measurer(Protocol):
    """Times networks on a device that is its own: ``measure.LocalMeasurer``, or one on Ray."""

    def identity(self) -> dict[str, Any]: ...

    def measure(self, architecture: Architecture, /) -> Latency | None:
        """The time of the whole; None if the network does not fit into the device's memory."""
        ...

    def profile(self, architecture: Architecture, /) -> Profile | None:
        """The time of each block; None as well."""
        ...


@dataclass(frozen=True)
class HeldOut:
    """A random architecture of the space: what the table says, and the truth."""

    name: str
    predicted_ms: float
    measured: Latency

    @property
    def error(self) -> float:
        """How far the prediction is off, as a share of what was measured."""
        return self.predicted_ms / self.measured.median_ms - 1


def cover(space: Space, signature: Signature, limit: int, seed: int = 0) -> list[Architecture]:
    """Networks that have every block of the space between them, ``limit`` at most.

    The n-th network of a trunk has the n-th SE option in every stage, so that a trunk needs as many
    networks as one stage has distinct options. They need not keep the space's constraints. A limit
    takes the networks in turn from all trunks, the first option (usually no SE) first.
    """
    rng = random.Random(seed)
    trunks = _trunks(space, limit, rng)
    rounds = [list(_networks(space, trunk, signature, rng)) for trunk in trunks]
    found: list[Architecture] = []
    seen: set[str] = set()
    for i in range(max(map(len, rounds), default=0)):
        for networks in rounds:
            if i < len(networks):
                keys = {block.key for block in blocks(networks[i], signature)}
                if not keys <= seen:
                    found.append(networks[i])
                    seen |= keys
            if len(found) == limit:
                return found
    return found


def run(
    measurer: Measurer,
    signature: Signature,
    known: Measurements,
    *,
    profiles: Sequence[Architecture] = (),
    wholes: Sequence[Architecture] = (),
    sweeps: int = 1,
    seed: int = 0,
    on_done: Callable[[int, int], None] = lambda _, __: None,
) -> None:
    """Measure what ``known`` lacks and put it in.

    Every sweep takes all networks in a random order, so that a slow moment of the machine is
    outvoted and hits both kinds alike. A block's time is the median over the sweeps and over the
    networks that have it; a whole network's is that of the middle sweep.

    Args:
        profiles: networks whose blocks are wanted; those that have no unknown block are left out.
        wholes: networks whose latency is wanted.
        on_done: called with the number of measurements made and their total.

    Raises:
        InputError: no block is known in the end: none of ``profiles`` fits into the memory.
    """
    before = set(known.blocks)
    jobs = [(a, False) for a in lacking(profiles, signature, known)]
    jobs += [(a, True) for a in wholes if network_key(a, signature) not in known.networks]
    rng = random.Random(seed)
    samples: dict[Block, list[float]] = {}
    totals: dict[str, list[float]] = {}
    latencies: dict[str, list[Latency]] = {}
    for done in range(sweeps * len(jobs)):
        if done % len(jobs) == 0:
            rng.shuffle(jobs)
        architecture, whole = jobs[done % len(jobs)]
        key = network_key(architecture, signature)
        if whole:
            latency = measurer.measure(architecture)
            if latency is not None:
                ordered = latencies.setdefault(key, [])
                ordered.append(latency)
                ordered.sort(key=lambda one: one.median_ms)
                known.networks[key] = ordered[len(ordered) // 2]
        elif (profile := measurer.profile(architecture)) is not None:
            own = blocks(architecture, signature)
            for block, ms in zip(own, profile.blocks_ms, strict=True):
                if block.key not in before:
                    samples.setdefault(block, []).append(ms)
                    known.blocks[block.key] = block, statistics.median(samples[block])
            totals.setdefault(key, []).append(profile.whole_ms)
            keys = tuple(block.key for block in own)
            known.profiled[key] = Timed(statistics.median(totals[key]), keys)
        on_done(done + 1, sweeps * len(jobs))
    if profiles and not known.blocks:
        raise InputError("latency_ms: no network of the space fits into the device's memory")


def lacking(
    networks: Sequence[Architecture], signature: Signature, known: Measurements
) -> list[Architecture]:
    """The networks that have a block which was not measured."""
    return [a for a in networks if any(b.key not in known.blocks for b in blocks(a, signature))]


def of_networks(
    known: Measurements, networks: Sequence[Architecture], signature: Signature
) -> Measurements:
    """The part of what is known that has to do with these networks: a cache has other spaces'."""
    keys = {block.key for a in networks for block in blocks(a, signature)}
    own = {network_key(a, signature) for a in networks}
    return Measurements(
        {key: value for key, value in known.blocks.items() if key in keys},
        {key: value for key, value in known.profiled.items() if key in own},
        {key: value for key, value in known.networks.items() if key in own},
    )


def draw_held_out(
    space: Space,
    count: int,
    exclude: Sequence[Architecture],
    keep: Callable[[Architecture], bool] = lambda _: True,
    seed: int = 0,
) -> list[Architecture]:
    """Random architectures to compare the table with, none of which it is made from.

    Args:
        exclude: the networks that the table is made from.
        keep: those that matter, such as those within the constraints on parameters; others stand
            in where there are too few.
    """
    rng = random.Random(seed + 1)
    used = {architecture.id for architecture in exclude}
    drawn = {a.id: a for a in (space.sample(rng) for _ in range(DRAWS))}
    fresh = [a for a in drawn.values() if a.id not in used]
    return sorted(fresh, key=lambda a: not keep(a))[:count]


def compare(
    table: LatencyTable, networks: Sequence[Architecture], known: Measurements
) -> list[HeldOut]:
    """Prediction beside measurement for the networks that ``known`` has measured whole."""
    pairs = [(a, known.networks.get(network_key(a, table.signature))) for a in networks]
    return [HeldOut(str(a), table.predict(a), latency) for a, latency in pairs if latency]


def report(rows: Sequence[HeldOut]) -> dict[str, Any]:
    """The errors as shares, Kendall's τ between prediction and measurement, and every row."""
    shares = [abs(row.error) for row in rows]
    return {
        "median_error": statistics.median(shares) if shares else None,
        "max_error": max(shares, default=None),
        "kendall_tau": _tau(rows),
        "networks": [
            {"name": r.name, "predicted_ms": r.predicted_ms, "measured": asdict(r.measured)}
            for r in rows
        ],
    }


def _tau(rows: Sequence[HeldOut]) -> float | None:
    """None where there is no order: fewer than two values on a side."""
    predicted = [row.predicted_ms for row in rows]
    truth = [row.measured.median_ms for row in rows]
    if min(len(set(predicted)), len(set(truth))) < 2:
        return None
    from scipy import stats

    return float(stats.kendalltau(predicted, truth).statistic)


def _networks(
    space: Space, trunk: Trunk, signature: Signature, rng: random.Random
) -> Iterator[Architecture]:
    """Networks of one trunk whose n-th has the n-th distinct option of every stage."""
    columns: list[list[SE | None]] = []
    shapes = stage_shapes(trunk, signature)
    for number, shape in zip(trunk.stages, shapes, strict=True):
        options: dict[tuple[str, ...], SE | None] = {}
        for se in _stage_options(space, number, rng):
            found, _ = stage_blocks(trunk, number, se, shape)
            options.setdefault(tuple(block.key for block in found), se)
        first, *rest = options.values()
        rng.shuffle(rest)  # a limit then leaves out options at random
        columns.append([first, *rest])
    for i in range(max(map(len, columns))):
        yield Architecture(trunk, [column[i % len(column)] for column in columns])


def _stage_options(space: Space, number: int, rng: random.Random) -> Iterator[SE | None]:
    def one(ask: templates.Ask) -> SE | None:
        return templates.draw_se(space.se, (number,), "se", ask)[0]

    return _every(one, templates.size_se(space.se, (number,)), OPTIONS, rng)


def _trunks(space: Space, limit: int, rng: random.Random) -> list[Trunk]:
    def one(ask: templates.Ask) -> Trunk:
        found: Trunk = templates.draw(space.trunk, "trunk", ask)
        return found

    size = templates.size(space.trunk)
    return list(dict.fromkeys(_every(one, size, limit, rng)))


def _every(
    draw: Callable[[templates.Ask], T], size: int, limit: int, rng: random.Random
) -> Iterator[T]:
    """All results of a drawing, or ``limit`` random ones where there are more."""
    if size <= limit:
        return templates.every(draw)
    return (draw(lambda _, options: rng.choice(options)) for _ in range(limit))
