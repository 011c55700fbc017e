"""Ray Tune's ``Searcher`` over ``Proposals``: a translation, no decisions.

Tune tells a searcher that a trial ended but not how. The ``end`` that the trial reports itself
says it, else its epochs: fewer than the budget mean that it was stopped early. Tune sets ``done``
where the scheduler stopped a trial, and not where the trial ends with Tune's whole loop.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ray.tune.search import Searcher

from se_nas.search.study.journal import batch
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.ranking import incumbent_of
from se_nas.search.study.records import Outcome, Proposal
from se_nas.search.tuning.failures import FailureBudget
from se_nas.search.tuning.ray_internals import finished
from se_nas.search.tuning.worker_deaths import WorkerDeaths
from se_nas.search.worker.reports import End, TrialConfig, TrialReport, is_epoch, point, read_report


class StudySearcher(Searcher):
    """A searcher that suggests what ``proposals`` accepts and tells it what Tune reports.

    Args:
        proposals: the study's side.
        epochs: a trial's budget; fewer mean that the scheduler stopped it.
        worker_deaths: counted by ``FailureCallback``; if not given, no worker dies.
        seed: of every trial, for the record.
        ended: called with a trial's number when the study knows its end.
        max_failed_share: when more of the trials fail than that, the search stops.

    Attributes:
        running: proposals that are being trained, by Tune's id of the trial.
        best: the best trial that was trained to its end.
        stopped: nothing more is proposed.
        abort_reason: why the search must not go on; empty if it may.
        misused: that is a user's training function which would end every trial the same way.
        storage_error: raised as the study was read or written; nothing more is written then.
    """

    def __init__(
        self,
        proposals: Proposals,
        epochs: int,
        *,
        worker_deaths: WorkerDeaths | None = None,
        seed: int = 0,
        ended: Callable[[int], None] = lambda number: None,
        max_failed_share: float = 1.0,
    ) -> None:
        super().__init__()
        self.proposals, self.epochs, self.seed, self.ended = proposals, epochs, seed, ended
        self.failures = FailureBudget(max_failed_share)
        self.best = incumbent_of(proposals.study, proposals.space)
        self.worker_deaths = WorkerDeaths() if worker_deaths is None else worker_deaths
        self.running: dict[str, Proposal] = {}
        self.stopped = False
        self.abort_reason = ""
        self.misused = False
        self.storage_error: Exception | None = None
        self._started: dict[str, float] = {}
        # By trial number: it may come again under another id of Tune's.
        self._curves: dict[int, list[dict[str, float]]] = {}
        self._workers: dict[int, str] = {}

    def set_search_properties(self, *_: object, **__: object) -> bool:
        return True

    def suggest(self, trial_id: str) -> dict[str, object] | None:
        proposal: Proposal | None = None
        with self._writing():
            proposal = None if self.stopped else self.proposals.ask()
            if not self.proposals.drivers.alone:  # another one may have found better
                self.best = incumbent_of(self.proposals.study, self.proposals.space)
        if proposal is None and self.running and not self.stopped:
            return None  # one of those that train may come again; Tune asks later
        if proposal is None:
            return finished()
        self.running[trial_id] = proposal
        self._started[trial_id] = time.monotonic()
        config: TrialConfig = {
            "architecture": proposal.architecture.to_json(),
            "name": str(proposal.architecture),
            "number": proposal.number,
        }
        return dict(config)

    def on_trial_result(self, trial_id: str, result: Mapping[str, object]) -> None:
        report = read_report(result)
        if self.storage_error is None and not report.get("ready"):
            with self._writing():
                self._report(self.running[trial_id], report)

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, object] | None = None, error: bool = False
    ) -> None:
        proposal = self.running.pop(trial_id, None)
        if proposal is None or self.storage_error is not None:
            return
        report = read_report(result)
        end = self._end(trial_id, proposal, report, error)
        interrupted = end == "lost" or (end == "stopped_early" and not report.get("done"))
        if self.stopped and interrupted:
            # It did not end: it is running in the study, and a new driver goes on with it.
            self.worker_deaths.retry(trial_id)
            return
        if end == "lost" and self.worker_deaths.comes_again(proposal.number):
            self.worker_deaths.retry(trial_id)
            self.proposals.retry(proposal)
            return
        with self._writing(), batch(self.proposals.study):
            self._tell(trial_id, proposal, report, end)
        if self.storage_error is not None:
            return
        self.ended(proposal.number)
        failed = self.failures.count(end)
        if report.get("misuse"):
            failed, self.misused = report.get("reason", ""), True
        self.abort_reason = self.abort_reason or failed
        if self.abort_reason:
            self.stop()

    def _end(self, trial_id: str, proposal: Proposal, report: TrialReport, error: bool) -> End:
        """Return how a trial ended, by its last report and by what Tune says of it."""
        if error or not report:  # it did not end by itself
            killed = self.worker_deaths.killed_for_memory(trial_id)
            return "out_of_memory" if killed else "lost"
        whole = self._epochs(proposal, report) >= self.epochs
        return report.get("end") or ("complete" if whole else "stopped_early")

    def _epochs(self, proposal: Proposal, report: TrialReport) -> int:
        return max(report.get("epoch", 0), len(self._curves.get(proposal.number, [])))

    def _tell(self, trial_id: str, proposal: Proposal, report: TrialReport, end: End) -> None:
        epochs = self._epochs(proposal, report)
        if report:
            # Tune passes a trial's last result to on_trial_complete and not to on_trial_result.
            self._report(proposal, report)
        number = proposal.number
        curve = self._curves.pop(number, [])
        if end in ("complete", "stopped_early"):
            metrics = point(report)
        else:  # the metrics of its last report are placeholders for Tune
            metrics = dict(curve[-1]) if curve else {}
        worker = self._workers.pop(number, "")
        outcome = Outcome(
            end,
            _measured(report) | metrics,
            epochs,
            float(report.get("seconds") or time.monotonic() - self._started[trial_id]),
            worker=report.get("worker") or worker,
            reason=self.worker_deaths.reason(number) if end == "lost" else report.get("reason", ""),
            seed=self.seed,
            curve=curve,
        )
        self.proposals.tell(proposal, outcome)
        if end == "complete":
            self.best.update(outcome.metrics, str(proposal.architecture))

    def stop(self) -> None:
        """Propose nothing more."""
        self.stopped = True

    def trials_under_way(self) -> float:
        """Return how many trials the running ones amount to, each by its share of the epochs."""
        epochs = (len(self._curves.get(trial.number, ())) for trial in self.running.values())
        return sum(min(1.0, done / self.epochs) for done in epochs)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """End the search on an error; Tune would take it for the trial's, or ignore it.

        Nothing more is written then: a record after half of one would spoil both.
        """
        try:
            yield
        except Exception as error:
            self.storage_error = error
            self.stop()

    def _report(self, proposal: Proposal, report: TrialReport) -> None:
        """Tell epochs that the study does not know yet, those before a resumed one too."""
        curve = self._curves.setdefault(proposal.number, [])
        self._workers[proposal.number] = report.get("worker", "")
        if report.get("earlier"):
            curve[:] = report["earlier"]
            for epoch, metrics in enumerate(curve, start=1):
                self.proposals.report(proposal, epoch, metrics)
        epoch = report.get("epoch", 0)
        if epoch and is_epoch(report):
            curve[epoch - 1 :] = [point(report)]
            self.proposals.report(proposal, epoch, _measured(report) | point(report))

    def save(self, checkpoint_path: str) -> None:
        """Make an empty file, because Tune wants one; the study is the state."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: a run is resumed from its study."""


def _measured(report: TrialReport) -> dict[str, float]:
    """Return the values that are measured once a trial."""
    return {"unpreserved": float(report["unpreserved"])} if "unpreserved" in report else {}
