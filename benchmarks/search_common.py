"""Shared by the benchmarks of the search: a space, trials without training, a quiet Ray."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

# Of ray.init; nothing on the screen but the benchmark's own figures.
QUIET: dict[str, Any] = {
    "logging_level": "ERROR",
    "log_to_driver": False,
    "include_dashboard": False,
}


def machine() -> str:
    """Describe what figures hold for: versions and the CPU.

    >>> "Python" in machine()
    True
    """
    from se_nas.latency.measure import processor

    versions = ", ".join(f"{name} {version(name)}" for name in ("ray", "optuna", "torch"))
    return f"Python {platform.python_version()}, {versions}; {processor()}, {os.cpu_count()} cores"


def busy(spans: list[tuple[float, float]], slots: int, begin: float, end: float) -> float:
    """Return the share of the slots' time between two moments that trials took, in [0, 1].

    >>> busy([(0, 2), (1, 3)], slots=2, begin=1, end=3)
    0.75
    """
    inside = sum(max(0.0, min(b, end) - max(a, begin)) for a, b in spans)
    return inside / (slots * (end - begin)) if end > begin else float("nan")


def space() -> Any:
    """Return a space of 20 parameters: five for the SE of each of four stages."""
    from se_nas import SE, Space, choice, per_stage

    return Space(
        "twenty",
        trunk="resnet18",
        se=per_stage(
            SE(
                reduction=choice(2, 4, 8, 16, 32),
                placement=choice("standard", "pre", "post", "identity"),
                squeeze=choice("avg", "max", "avgmax"),
                gate=choice("sigmoid", "tanh", "hard_sigmoid"),
                bias=choice(True, False),
            )
        ),
    )


def price() -> Any:
    """Return a function from an architecture of the space to its cost."""
    from se_nas.cost.network_cost import cost

    return partial(cost, input_size=64, in_channels=3, num_classes=10)


def value(config: dict[str, Any]) -> float:
    """Return a number in [0, 1) that depends on the configuration only."""
    text = json.dumps({k: str(v) for k, v in config.items()}, sort_keys=True)
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32


def trainable(work: Callable[[float], None]) -> Any:
    """Make a trainable of one epoch that trains nothing; no torch in its process.

    Args:
        work: what a trial does with its value, before it reports that.
    """
    from ray import tune

    from se_nas.search.worker.reports import ready_first

    class Untrained(tune.Trainable):  # type: ignore[misc]
        def setup(self, config: dict[str, Any], settings: Any = None) -> None:
            self.config = config
            self.is_ready = settings is None  # stock Tune has no use for it

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.config = new_config
            return True

        @ready_first
        def step(self) -> dict[str, Any]:
            found = value(self.config)
            work(found)
            return {"val_acc": found, "epoch": 1, "end": "", "done": True}

    return Untrained


def prepare_stock() -> None:
    """Set the environment so that stock Tune stays on loopback, quietly; before importing Ray."""
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
