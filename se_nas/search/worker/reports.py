"""Messages between the driver and a trial: its configuration, its reports, and its end."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias, TypedDict, TypeVar, cast, get_args

from se_nas.space.objectives import METRICS

T = TypeVar("T")

# The ends of a training, a trial's or a retraining's.
End: TypeAlias = Literal[
    "complete", "stopped_early", "not_finite", "out_of_memory", "error", "lost"
]
ENDS: tuple[End, ...] = get_args(End)
# Ends that say nothing of the network: it may come again under the next driver.
FAILED: tuple[End, ...] = ("error", "lost")
# For people to read.
LABELS: Mapping[End, str] = {
    "complete": "complete",
    "stopped_early": "stopped early",
    "not_finite": "diverged",
    "out_of_memory": "out of memory",
    "error": "failed",
    "lost": "lost",
}


class TrialConfig(TypedDict, total=False):
    """A trial's configuration, from the driver.

    Attributes:
        architecture: as JSON.
        name: of the architecture.
        number: of the trial in the study; without it nothing is saved.
        out_of_memory: its worker was killed for memory; this one only reports that.
    """

    architecture: str
    name: str
    number: int
    out_of_memory: bool


class TrialReport(TypedDict, total=False):
    """A trial's report: first that its worker is up, then every epoch, then its end.

    Attributes:
        ready: the worker is up; nothing was trained.
        epoch: epochs done.
        val_acc, val_loss, balanced_accuracy, macro_f1: of the last epoch, in validation; ``WORST``
            where there is none. A user's own training may do with val_acc alone.
        other: further metrics of the last epoch, from a user's own training; in pairs, for Tune
            makes one flat dict of dicts in dicts.
        earlier: the metrics of epochs before this process, in its first report of a trial.
        unpreserved: SE blocks that could not start as if they were not there.
        seconds: wall time of the trial.
        worker: host and process.
        device: ``cuda`` or ``cpu``.
        done: it was the last report.
        end: how the trial ended, if not by its last epoch; else empty.
        reason, traceback: of the end, if it is a bad one.
        misuse: it is the user's function that would end every other trial the same way.
    """

    ready: bool
    epoch: int
    val_acc: float
    val_loss: float
    balanced_accuracy: float
    macro_f1: float
    other: list[tuple[str, float]]
    earlier: list[dict[str, float]]
    unpreserved: int
    seconds: float
    worker: str
    device: str
    done: bool
    end: End | Literal[""]
    reason: str
    traceback: str
    misuse: bool


# A search compares values of ended trials: one that failed is worse than any that did not.
WORST: TrialReport = {
    "val_acc": 0.0,
    "val_loss": 1e9,
    "balanced_accuracy": 0.0,
    "macro_f1": 0.0,
}
# A new worker's first report; it has metrics because Tune wants them in every report.
READY: TrialReport = {**WORST, "ready": True, "epoch": 0, "end": "", "done": False}


def read_report(result: Mapping[str, object] | None) -> TrialReport:
    """Return a result of Tune's as a trial's report, without a copy; empty if there is none."""
    return cast(TrialReport, result or {})


def read_config(config: Mapping[str, object]) -> TrialConfig:
    """Return a configuration of Tune's as a trial's, without a copy."""
    return cast(TrialConfig, config)


def point(report: TrialReport) -> dict[str, float]:
    """Return the metrics of one epoch.

    >>> point({"val_acc": 0.9, "other": [("lr", 0.1)], "epoch": 1})
    {'val_acc': 0.9, 'lr': 0.1}
    """
    found = {name: float(str(report[name])) for name in METRICS if name in report}  # type: ignore[literal-required]
    return found | dict(report.get("other", ()))


def is_epoch(report: TrialReport) -> bool:
    """Return whether a report is of an epoch: neither of a worker that is up nor of an end.

    >>> is_epoch({"epoch": 1, "end": ""}), is_epoch(READY), is_epoch({"epoch": 1, "end": "error"})
    (True, False, False)
    """
    return not report.get("ready") and not report.get("end")


def ready_first(step: Callable[[T], dict[str, object]]) -> Callable[[T], dict[str, object]]:
    """Let a trainable's ``step`` answer ``READY`` once in its process, before it trains."""

    @functools.wraps(step)
    def wrapped(self: T) -> dict[str, object]:
        if not getattr(self, "is_ready", False):
            self.is_ready = True  # type: ignore[attr-defined]
            return dict(READY)
        return step(self)

    return wrapped
