"""Metrics of a search, by ``ray.util.metrics``; Prometheus sees them as ``ray_<name>``.

Ray forgets a gauge some 20 s after it was last set: a trial that ended leaves no stale line, and
what still holds is set again every few seconds.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ray.util.metrics import Gauge

from se_nas.search.study.ranking import Incumbent
from se_nas.search.study.records import Counts
from se_nas.search.tuning.driver_callback import DriverCallback, TuneTrial, config_of
from se_nas.search.tuning.searcher import StudySearcher
from se_nas.search.worker.reports import ENDS, is_epoch, read_report

PUBLISH_EVERY_S = 2.0
RATE_WINDOW_S = 60.0

STATES = ("running", *ENDS)

# Name, without Ray's prefix → (labels, description). docs/monitoring.md lists the same.
GAUGES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "se_nas_trials": (
        ("run", "state"),
        f"Trials by state: {', '.join(STATES)}",
    ),
    "se_nas_proposals": (
        ("run", "state"),
        "Proposals of the sampler that trained nothing: rejected, repeated",
    ),
    "se_nas_best_value": (
        ("run", "metric", "architecture"),
        "Best value of a complete trial so far, and whose",
    ),
    "se_nas_epochs_per_second": (("run",), "Epochs trained in the last minute, over 60 s"),
    "se_nas_slots": (("run",), "Trials that the cluster has room for at once"),
    "se_nas_slots_busy_share": (
        ("run",),
        "Share of the slots that had a trial since the last report, in [0, 1]",
    ),
    "se_nas_trial_epoch": (
        ("run", "architecture", "number", "worker"),
        "Epochs done of every running trial",
    ),
}

Sample = tuple[str, dict[str, str], float]


@dataclass
class Running:
    """A trial that is on a worker now."""

    architecture: str
    number: int
    epoch: int = 0
    worker: str = ""


@dataclass
class SearchGauges:
    """The running trials of a search, and the metrics that follow from them.

    Args:
        run: name of the run, the label of everything.
        slots: trials at once; may change while the search runs.
        clock: seconds, never going back.
    """

    run: str
    slots: int
    clock: Callable[[], float] = time.monotonic
    running: dict[str, Running] = field(default_factory=dict[str, Running])

    def __post_init__(self) -> None:
        self._epochs: deque[float] = deque()
        self._began = self._changed = self.clock()
        self._busy_s = self._slots_s = 0.0

    def start(self, trial: str, architecture: str, number: int) -> None:
        """Note that a trial got a worker; the same trial again if its worker died."""
        self._count()
        self.running[trial] = Running(architecture, number)

    def epoch(self, trial: str, epoch: int, worker: str) -> None:
        """Note that a running trial has done an epoch."""
        self._epochs.append(self.clock())
        if trial in self.running:
            self.running[trial].epoch, self.running[trial].worker = epoch, worker

    def end(self, trial: str) -> None:
        """Note that a trial left its worker."""
        self._count()
        self.running.pop(trial, None)

    def samples(self, counts: Counts, best: Incumbent) -> list[Sample]:
        """Return all metrics as (name, labels, value), and start the next busy share."""
        self._count()
        now, run = self.clock(), {"run": self.run}
        while self._epochs and self._epochs[0] < now - RATE_WINDOW_S:
            self._epochs.popleft()
        window = min(RATE_WINDOW_S, now - self._began) or RATE_WINDOW_S
        states = counts.ends | {"running": len(self.running)}
        found: list[Sample] = [
            *(("se_nas_trials", run | {"state": s}, float(states.get(s, 0))) for s in STATES),
            ("se_nas_proposals", run | {"state": "rejected"}, float(counts.rejected)),
            ("se_nas_proposals", run | {"state": "repeated"}, float(counts.duplicates)),
            ("se_nas_epochs_per_second", run, len(self._epochs) / window),
            ("se_nas_slots", run, float(self.slots)),
        ]
        if self._slots_s:
            share = min(1.0, self._busy_s / self._slots_s)
            found.append(("se_nas_slots_busy_share", run, share))
        if best.architecture:
            labels = run | {"metric": best.objective.metric, "architecture": best.architecture}
            found.append(("se_nas_best_value", labels, best.value))
        for trial in self.running.values():
            labels = run | {"architecture": trial.architecture, "number": str(trial.number)}
            labels["worker"] = trial.worker or "starting"
            found.append(("se_nas_trial_epoch", labels, float(trial.epoch)))
        self._busy_s = self._slots_s = 0.0
        return found

    def _count(self) -> None:
        """Add up the slots' time since the last change, and the part of it with a trial."""
        now = self.clock()
        self._busy_s += len(self.running) * (now - self._changed)
        self._slots_s += self.slots * (now - self._changed)
        self._changed = now


class PrometheusCallback(DriverCallback):
    """A callback that keeps ``observed`` up to date and sets Ray's gauges every few seconds."""

    def __init__(self, observed: SearchGauges, searcher: StudySearcher) -> None:
        self.observed, self.searcher = observed, searcher
        self.gauges = {
            name: Gauge(name, description=text, tag_keys=labels)
            for name, (labels, text) in GAUGES.items()
        }
        self.published = 0.0

    def on_trial_start(
        self, iteration: int, trials: Sequence[TuneTrial], trial: TuneTrial, **_: object
    ) -> None:
        config = config_of(trial)
        self.observed.start(trial.trial_id, config["name"], config["number"])

    def on_trial_result(
        self,
        iteration: int,
        trials: Sequence[TuneTrial],
        trial: TuneTrial,
        result: Mapping[str, object],
        **_: object,
    ) -> None:
        report = read_report(result)
        if is_epoch(report):
            self.observed.epoch(trial.trial_id, report.get("epoch", 0), report.get("worker", ""))

    def on_trial_recover(
        self, iteration: int, trials: Sequence[TuneTrial], trial: TuneTrial, **_: object
    ) -> None:
        self.observed.end(trial.trial_id)

    def on_trial_complete(
        self, iteration: int, trials: Sequence[TuneTrial], trial: TuneTrial, **_: object
    ) -> None:
        self.observed.end(trial.trial_id)

    def on_trial_error(
        self, iteration: int, trials: Sequence[TuneTrial], trial: TuneTrial, **_: object
    ) -> None:
        self.observed.end(trial.trial_id)

    def on_step_end(self, iteration: int, trials: Sequence[TuneTrial], **_: object) -> None:
        if time.monotonic() - self.published >= PUBLISH_EVERY_S:
            self.publish()

    def publish(self) -> None:
        """Set every gauge now."""
        self.published = time.monotonic()
        counts, best = self.searcher.proposals.counts, self.searcher.best
        for name, labels, value in self.observed.samples(counts, best):
            self.gauges[name].set(value, labels)
