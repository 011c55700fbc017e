"""Measurement of what a latency table lacks, and the table's error on networks timed whole."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from se_nas.architecture.architecture import Architecture
from se_nas.errors import InputError
from se_nas.latency.blocks import Block, blocks
from se_nas.latency.settings import Signature
from se_nas.latency.table import (
    Latency,
    LatencyTable,
    Measurements,
    Profile,
    ProfiledNetwork,
    network_key,
)


class Measurer(Protocol):
    """Measurer with a device to itself: ``measure.LocalMeasurer``, or one on Ray."""

    def identity(self) -> dict[str, Any]: ...

    def measure(self, architecture: Architecture, /) -> Latency | None:
        """Time the whole; None if the network does not fit into the device's memory."""
        ...

    def profile(self, architecture: Architecture, /) -> Profile | None:
        """Time each block; None if the network does not fit into the device's memory."""
        ...


@dataclass(frozen=True)
class HeldOut:
    """A random architecture of the space: its predicted and its measured latency."""

    name: str
    predicted_ms: float
    measured: Latency

    @property
    def error(self) -> float:
        """Predicted minus measured, as a share of the measured median."""
        return self.predicted_ms / self.measured.median_ms - 1


def measure_missing(
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
    jobs = [(a, False) for a in unmeasured(profiles, signature, known)]
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
            if profile.whole_ms is not None:
                totals.setdefault(key, []).append(profile.whole_ms)
                keys = tuple(block.key for block in own)
                known.profiled[key] = ProfiledNetwork(statistics.median(totals[key]), keys)
        on_done(done + 1, sweeps * len(jobs))
    if profiles and not known.blocks:
        raise InputError("latency_ms: no network of the space fits into the device's memory")


def unmeasured(
    networks: Sequence[Architecture], signature: Signature, known: Measurements
) -> list[Architecture]:
    """Return the networks that have a block which was not measured."""
    return [a for a in networks if any(b.key not in known.blocks for b in blocks(a, signature))]


def restricted_to(
    known: Measurements, networks: Sequence[Architecture], signature: Signature
) -> Measurements:
    """Return the measurements of these networks and their blocks: a cache has other spaces' too."""
    keys = {block.key for a in networks for block in blocks(a, signature)}
    own = {network_key(a, signature) for a in networks}
    return Measurements(
        {key: value for key, value in known.blocks.items() if key in keys},
        {key: value for key, value in known.profiled.items() if key in own},
        {key: value for key, value in known.networks.items() if key in own},
    )


def compare(
    table: LatencyTable, networks: Sequence[Architecture], known: Measurements
) -> list[HeldOut]:
    """Pair prediction and measurement of the networks that ``known`` has measured whole."""
    pairs = [(a, known.networks.get(network_key(a, table.signature))) for a in networks]
    return [HeldOut(str(a), table.predict(a), latency) for a, latency in pairs if latency]


def report(rows: Sequence[HeldOut]) -> dict[str, Any]:
    """Return the errors as shares, Kendall's τ of predicted and measured, and every row."""
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
    """Compute Kendall's τ; None without an order: fewer than two values on a side."""
    predicted = [row.predicted_ms for row in rows]
    truth = [row.measured.median_ms for row in rows]
    if min(len(set(predicted)), len(set(truth))) < 2:
        return None
    from scipy import stats

    return float(stats.kendalltau(predicted, truth).statistic)
