"""Settings of a latency measurement, as frozen values. No torch here."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from se_nas.checked_settings import CheckedSettings
from se_nas.errors import InputError, unknown
from se_nas.files import expand_home
from se_nas.settings import setting
from se_nas.values import whole

if TYPE_CHECKING:
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

MOST = {"batch": 2**20, "threads": 2**12}


@dataclass(frozen=True)
class LatencySettings(CheckedSettings):
    """Settings of the timing of networks, and of how many are timed; they begin with ``latency_``.

    Raises:
        InputError: a value is not allowed.
    """

    batch: int = setting(
        1, "Images in a pass that is timed, if the space asks for latency_ms.", "latency"
    )
    precision: str = setting(
        "float32", f"Of weights and images: {', '.join(PRECISIONS)}.", "latency"
    )
    channels_last: bool = setting(False, "Time in the memory format NHWC, not NCHW.", "latency")
    threads: int = setting(1, "Threads of a pass on a CPU.", "latency")
    warm_up: int = setting(2, "Untimed passes of each network.", "latency")
    repeats: int = setting(
        7, "Timed passes of each network in a sweep; the median counts.", "latency"
    )
    # A slow moment of the machine is outvoted.
    sweeps: int = setting(3, "How often all networks are gone through.", "latency")
    networks: int = setting(
        400, "Time at most so many networks for the table of blocks.", "latency"
    )
    held_out: int = setting(10, "Random networks that the table is tested with.", "latency")
    cache: str | None = setting(
        None,
        "Folder of earlier measurements [default: in the user's cache folder].",
        "latency",
        "may change",
        convert=expand_home,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, bound in LEAST.items():
            value = whole(f"latency {name}", getattr(self, name), bound, MOST.get(name))
            object.__setattr__(self, name, value)
        if self.precision not in PRECISIONS:
            raise unknown("latency precision", self.precision, PRECISIONS)
        if self.cache is not None and os.path.exists(self.cache) and not os.path.isdir(self.cache):
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
    from se_nas.space.objectives import MEASURED  # late: ``--help`` reads this module

    quantities = [constraint.quantity for constraint in space.constraints]
    quantities += [objective.metric for objective in space.objectives]
    return any(quantity in MEASURED for quantity in quantities)
