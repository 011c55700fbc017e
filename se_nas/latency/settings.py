"""Settings of a latency measurement, as frozen values. No torch here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from se_nas.errors import InputError, unknown, whole
from se_nas.space.objectives import MEASURED
from se_nas.space.space import Space

PRECISIONS = ("float32", "float16", "bfloat16")
# Fields that say how much is measured and where it is kept, not what one measurement is.
EXTENT = ("networks", "held_out", "cache")
LEAST = {
    "batch": 1,
    "threads": 1,
    "warm_up": 0,
    "repeats": 1,
    "sweeps": 1,
    "networks": 1,
    "held_out": 0,
}


@dataclass(frozen=True)
class LatencySettings:
    """Settings of the timing of networks, and of how many are timed.

    Attributes:
        batch: images in one pass.
        precision: of weights and images: ``float32``, ``float16`` or ``bfloat16``.
        channels_last: the memory format NHWC rather than NCHW.
        threads: of one pass on a CPU.
        warm_up, repeats: untimed and timed passes; the median of the timed ones counts.
        sweeps: how often all networks are gone through: a slow moment of the machine is outvoted.
        networks: at most so many are timed for the table of a space.
        held_out: random architectures, timed whole, that the table is compared with.
        cache: folder of earlier measurements; None for the user's cache folder.

    Raises:
        InputError: a value is not allowed.
    """

    batch: int = 1
    precision: str = "float32"
    channels_last: bool = False
    threads: int = 1
    warm_up: int = 2
    repeats: int = 7
    sweeps: int = 3
    networks: int = 400
    held_out: int = 10
    cache: str | None = None

    def __post_init__(self) -> None:
        for name, bound in LEAST.items():
            value = whole(f"latency {name}", getattr(self, name), bound)
            object.__setattr__(self, name, value)
        if self.precision not in PRECISIONS:
            raise unknown("latency precision", self.precision, PRECISIONS)
        if self.cache is not None and Path(self.cache).exists() and not Path(self.cache).is_dir():
            raise InputError(f"latency cache {self.cache!r} is a file; give a folder")

    def of_one(self) -> dict[str, Any]:
        """Return the settings that a single measurement depends on, by name."""
        return {name: value for name, value in asdict(self).items() if name not in EXTENT}

    def __str__(self) -> str:
        layout = ", channels-last" if self.channels_last else ""
        return (
            f"batch {self.batch}, {self.precision}{layout}, median of {self.repeats * self.sweeps}"
        )


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a network: side of square images (pixels), channels, classes."""

    image_size: int
    in_channels: int = 3
    num_classes: int = 1000


def uses_latency(space: Space) -> bool:
    """Return whether a constraint or an objective of the space is a latency."""
    quantities = [constraint.quantity for constraint in space.constraints]
    quantities += [objective.metric for objective in space.objectives]
    return any(quantity in MEASURED for quantity in quantities)
