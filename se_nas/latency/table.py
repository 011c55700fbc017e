"""The additive table: a network's latency is the sum over its blocks. No torch here."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Cost
from se_nas.latency.blocks import Block, blocks
from se_nas.latency.settings import Signature

# Networks of a trunk that tell how whole networks of it stand to sums.
LEAST = 3


@dataclass(frozen=True)
class Latency:
    """The median of many passes, and the quartiles around it, in milliseconds."""

    median_ms: float
    q1_ms: float
    q3_ms: float

    @classmethod
    def of(cls, times_ms: Sequence[float]) -> Latency:
        """Return median and quartiles of ``times_ms``, one or more.

        >>> Latency.of([1, 2, 3, 4, 9])
        Latency(median_ms=3, q1_ms=2.0, q3_ms=4.0)
        """
        if len(times_ms) == 1:
            return cls(times_ms[0], times_ms[0], times_ms[0])
        q1, _, q3 = statistics.quantiles(times_ms, n=4, method="inclusive")
        return cls(statistics.median(times_ms), q1, q3)

    @property
    def spread(self) -> float:
        """Distance between the quartiles, as a share of the median."""
        return (self.q3_ms - self.q1_ms) / self.median_ms


@dataclass(frozen=True)
class Profile:
    """Median milliseconds of each block of a network, and of the whole without a look inside.

    ``whole_ms`` is None where that was not timed.
    """

    blocks_ms: tuple[float, ...]
    whole_ms: float | None


@dataclass(frozen=True)
class ProfiledNetwork:
    """A network that the table is made from: its time, and the keys of its blocks."""

    whole_ms: float
    keys: tuple[str, ...]


@dataclass(frozen=True)
class TimedCost(Cost):
    """A cost with the latency that the table predicts, in milliseconds."""

    latency_ms: float


@dataclass
class Measurements:
    """Measurements on one device by one way of measuring.

    Attributes:
        blocks: milliseconds of each block, by its key.
        profiled: by ``network_key``, the networks that the blocks are from.
        networks: by ``network_key``, whole networks.
    """

    blocks: dict[str, tuple[Block, float]] = field(default_factory=dict[str, tuple[Block, float]])
    profiled: dict[str, ProfiledNetwork] = field(default_factory=dict[str, ProfiledNetwork])
    networks: dict[str, Latency] = field(default_factory=dict[str, Latency])

    def to_dict(self) -> dict[str, Any]:
        """Write the measurements as JSON values."""
        return {
            "blocks": [block.to_dict() | {"ms": ms} for block, ms in self.blocks.values()],
            "profiled": {
                key: {"ms": timed.whole_ms, "keys": timed.keys}
                for key, timed in self.profiled.items()
            },
            "networks": {key: vars(latency) for key, latency in self.networks.items()},
        }

    @classmethod
    def from_dict(cls, data: Any) -> Measurements:
        """Read what ``to_dict`` wrote; KeyError, TypeError or ValueError for anything else."""
        found = cls()
        for row in data["blocks"]:
            ms = _milliseconds(row["ms"])
            block = Block(**{name: value for name, value in row.items() if name != "ms"})
            found.blocks[block.key] = block, ms
        for key, row in dict(data["profiled"]).items():
            keys = tuple(str(one) for one in row["keys"])
            if not set(keys) <= set(found.blocks):
                raise ValueError("it lacks a block of one of its networks")
            found.profiled[str(key)] = ProfiledNetwork(_milliseconds(row["ms"]), keys)
        for key, row in dict(data["networks"]).items():
            found.networks[str(key)] = Latency(**{n: _milliseconds(v) for n, v in row.items()})
        return found


def network_key(architecture: Architecture, signature: Signature) -> str:
    """Return a key for a network with its inputs and outputs."""
    return f"{architecture.id}-{_suffix(signature)}"


def _suffix(signature: Signature) -> str:
    return f"{signature.image_size}px-{signature.in_channels}-{signature.num_classes}"


def _milliseconds(value: Any) -> float:
    if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{value!r} is no time")
    return float(value)


class LatencyTable:
    """Additive model of latency, for architectures that were not measured.

    A prediction is the sum over the blocks times the ratio of a whole network's time to such a sum:
    the median over the networks of its trunk that the table is made from, or over all of them
    (``factor``) where its trunk has fewer than ``LEAST``. It accounts for the time between the
    blocks, and for disturbances, which hit a long pass more often than a short block.

    A block that was not measured takes the time of its nearest neighbour: of the measured blocks
    that are the same without SE, the one nearest in parameters, and for one with SE one with SE
    (its operations take their time however narrow they are); where there is none, of all blocks the
    one nearest in MACs, scaled by them.
    """

    def __init__(self, measurements: Measurements, signature: Signature) -> None:
        self.measurements, self.signature = measurements, signature
        ratios: dict[tuple[str, ...], list[float]] = {}
        for key, timed in measurements.profiled.items():
            if key.endswith(f"-{_suffix(signature)}"):
                own = [measurements.blocks[one] for one in timed.keys]
                ratio = timed.whole_ms / math.fsum(ms for _, ms in own)
                ratios.setdefault(_trunk_of([block for block, _ in own]), []).append(ratio)
        every = [ratio for own in ratios.values() for ratio in own]
        self.factor = statistics.median(every) if every else 1.0
        self._factors = {
            trunk: statistics.median(own) for trunk, own in ratios.items() if len(own) >= LEAST
        }
        self._by_base: dict[str, list[tuple[Block, float]]] = {}
        for block, ms in measurements.blocks.values():
            self._by_base.setdefault(block.base, []).append((block, ms))
        self._estimates: dict[str, float] = {}

    def predict(self, architecture: Architecture) -> float:
        """Predict the milliseconds of one pass."""
        found = blocks(architecture, self.signature)
        factor = self._factors.get(_trunk_of(found), self.factor)
        return factor * math.fsum(self._block_ms(block) for block in found)

    def timed(self, cost: Cost, architecture: Architecture) -> TimedCost:
        """Return the cost with the predicted latency."""
        return TimedCost(**vars(cost), latency_ms=self.predict(architecture))

    def _block_ms(self, block: Block) -> float:
        known = self.measurements.blocks.get(block.key)
        if known is not None:
            return known[1]
        if block.key not in self._estimates:
            self._estimates[block.key] = self._nearest(block)
        return self._estimates[block.key]

    def _nearest(self, block: Block) -> float:
        same = self._by_base.get(block.base)
        if same:
            same = [known for known in same if _has_se(known[0]) == _has_se(block)] or same
            return min(same, key=lambda known: abs(known[0].params - block.params))[1]

        def distance(known: tuple[Block, float]) -> float:
            return abs(math.log((known[0].macs + 1) / (block.macs + 1)))

        near, ms = min(self.measurements.blocks.values(), key=distance)
        return ms * (block.macs + 1) / (near.macs + 1)


def _trunk_of(blocks: Sequence[Block]) -> tuple[str, ...]:
    """Return what the networks of one trunk have in common: their blocks without SE."""
    return tuple(block.base for block in blocks)


def _has_se(block: Block) -> bool:
    return block.key != block.base
