"""Settings of a latency measurement, as frozen values. No torch here."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from se_nas.checked_settings import CheckedSettings
from se_nas.errors import InputError, unknown
from se_nas.files import expand_home
from se_nas.latency.command import ONNX, check_command
from se_nas.settings import setting
from se_nas.values import whole

if TYPE_CHECKING:
    from se_nas.space.space import Space

PRECISIONS = ("float32", "float16", "bfloat16")
BACKENDS = ("eager", "compile", "onnxruntime")
PACKAGES = ("onnx", "onnxruntime", "onnxscript")  # what exporting and running an ONNX file takes
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
    backend: str = setting(
        "eager", f"What runs the networks that are timed: {', '.join(BACKENDS)}.", "latency"
    )
    command: str | None = setting(
        None,
        f"Your own tool in its place: with an ONNX file for {ONNX} it prints milliseconds last.",
        "latency",
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
        self._check_backend()
        if self.cache is not None and os.path.exists(self.cache) and not os.path.isdir(self.cache):
            raise InputError(f"latency cache {self.cache!r} is a file; give a folder")

    def _check_backend(self) -> None:
        if self.backend not in BACKENDS:
            raise unknown("latency backend", self.backend, BACKENDS)
        if self.command is not None:
            if self.backend != "eager":
                raise InputError(
                    f"latency command {self.command!r} and latency backend {self.backend!r}: "
                    "give one of them"
                )
            check_command(self.command)
        if self.to_onnx and (self.precision != "float32" or self.channels_last):
            raise InputError(
                "latency precision and latency channels_last: ONNX files are timed as they are "
                f"exported, float32 and NCHW, not {self.precision}"
                + (" and channels-last" if self.channels_last else "")
            )
        lacking = [name for name in PACKAGES if self.to_onnx and not find_spec(name)]
        if lacking:
            raise InputError(
                f"latency {'backend' if self.command is None else 'command'} needs "
                f"{', '.join(lacking)}: python -m pip install 'se-nas[onnx]'"
            )

    @property
    def to_onnx(self) -> bool:
        """Whether networks are timed as ONNX files."""
        return self.command is not None or self.backend == "onnxruntime"

    @property
    def on_cpu(self) -> bool:
        """Whether they are timed on a CPU also where trials have GPUs."""
        return self.command is None and self.backend == "onnxruntime"

    def of_one(self) -> dict[str, Any]:
        """Return the settings that a single measurement depends on, by name."""
        told = {name: value for name, value in asdict(self).items() if name not in EXTENT}
        # Eager measurements of versions that had no other backend are still good.
        plain = self.command is None and self.backend == "eager"
        return {n: v for n, v in told.items() if not (plain and n in ("backend", "command"))}

    def __str__(self) -> str:
        layout = ", channels-last" if self.channels_last else ""
        times = self.sweeps if self.command else self.repeats * self.sweeps
        how = self.command or {"eager": ""}.get(self.backend, self.backend)
        return (
            f"{how + ', ' if how else ''}batch {self.batch}, {self.precision}{layout}, "
            f"median of {times}"
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
