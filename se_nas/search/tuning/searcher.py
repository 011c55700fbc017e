"""Ray Tune's ``Searcher`` over ``Proposals``: a translation, no decisions.

Tune tells a searcher that a trial ended but not how. The ``end`` that the trial reports itself
says it, else its epochs: fewer than the budget mean that it was stopped early. ``done``, which Tune
sets where the scheduler stopped it, tells that from what ends because all of Tune's loop does.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from ray.tune.search import Searcher

from se_nas.search.config import MAX_DEATHS
from se_nas.search.study.journal import batch
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.ranking import incumbent_of
from se_nas.search.study.records import End, Outcome, Proposal
from se_nas.search.tuning.failures import FailureBudget, death_reason

CURVE = ("val_acc", "val_loss")
METRICS = (*CURVE, "unpreserved")


class StudySearcher(Searcher):
    """Proposes what ``proposals`` accepts and tells it what Tune reports.

    Args:
        proposals: the study's side.
        epochs: a trial's budget; fewer mean that the scheduler stopped it.
        seed: that every trial trains with, for the record.
        ended: called with a trial's number when the study knows its end.
        max_failed_share: when more of the trials fail than that, the search stops.
    """

    def __init__(
        self,
        proposals: Proposals,
        epochs: int,
        *,
        seed: int = 0,
        ended: Callable[[int], None] = lambda number: None,
        max_failed_share: float = 1.0,
    ) -> None:
        super().__init__()
        self.proposals, self.epochs, self.seed, self.ended = proposals, epochs, seed, ended
        self.failures = FailureBudget(max_failed_share)
        self.best = incumbent_of(proposals.study, proposals.space)
        self.live: dict[str, Proposal] = {}
        self.stopped = False
        self.too_many_failed = ""
        self.deaths: dict[int, int] = {}  # of workers, by trial number
        self.out_of_memory: set[str] = set()  # Tune's ids; the workers were killed for memory
        self.again: set[str] = set()  # Tune's ids of trials that ended there, not in the study
        self.broken: Exception | None = None  # the study could not be read or written
        self._came_again: dict[int, int] = {}  # deaths at the last time, by trial number
        self._started: dict[str, float] = {}
        # By trial number: it may come again under another id of Tune's.
        self._curves: dict[int, list[dict[str, float]]] = {}
        self._workers: dict[int, str] = {}

    def set_search_properties(self, *_: Any, **__: Any) -> bool:
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        proposal: Proposal | None = None
        with self._writing():
            proposal = None if self.stopped else self.proposals.ask()
            if self.proposals.drivers is not None:  # another one may have found better
                self.best = incumbent_of(self.proposals.study, self.proposals.space)
        if proposal is None and self.live and not self.stopped:
            return None  # one of those that train may come again; Tune asks later
        if proposal is None:
            return cast(None, Searcher.FINISHED)  # what Tune expects, whatever its type says
        self.live[trial_id] = proposal
        self._started[trial_id] = time.monotonic()
        return {
            "architecture": proposal.architecture.to_json(),
            "name": str(proposal.architecture),
            "number": proposal.number,
        }

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        if self.broken is None and not result.get("ready"):
            with self._writing():
                self._report(self.live[trial_id], result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        proposal = self.live.pop(trial_id, None)
        if proposal is None or self.broken is not None:
            return
        result = result or {}
        end = self._end(trial_id, proposal, result, error)
        cut = end == "lost" or (end == "stopped_early" and not result.get("done"))
        if self.stopped and cut:
            self.again.add(trial_id)
            return  # it did not end: it is running in the study, and a new driver goes on with it
        if end == "lost" and self._comes_again(proposal.number):
            self.again.add(trial_id)
            self.proposals.unfinished.insert(0, proposal)
            return
        with self._writing(), batch(self.proposals.study):
            self._tell(trial_id, proposal, result, end)
        if self.broken is not None:
            return
        self.ended(proposal.number)
        self.too_many_failed = self.too_many_failed or self.failures.count(end)
        if self.too_many_failed:
            self.stop()

    def _end(self, trial_id: str, proposal: Proposal, result: dict[str, Any], error: bool) -> End:
        """How a trial ended, as far as its last result and what Tune says of it tell."""
        if error or not result:  # it did not end by itself
            return "out_of_memory" if trial_id in self.out_of_memory else "lost"
        whole = self._epochs(proposal, result) >= self.epochs
        end: End = result.get("end") or ("complete" if whole else "stopped_early")
        return end

    def _epochs(self, proposal: Proposal, result: dict[str, Any]) -> int:
        return max(int(result.get("epoch", 0)), len(self._curves.get(proposal.number, [])))

    def _tell(self, trial_id: str, proposal: Proposal, result: dict[str, Any], end: End) -> None:
        epochs = self._epochs(proposal, result)
        if result:
            # Tune passes a trial's last result to on_trial_complete and not to on_trial_result.
            self._report(proposal, result)
        number = proposal.number
        curve = self._curves.pop(number, [])
        metrics = _metrics(result)
        if end not in ("complete", "stopped_early"):  # its last result only fills what Tune wants
            metrics = {k: v for k, v in metrics.items() if k not in CURVE}
            metrics |= curve[-1] if curve else {}
        worker = self._workers.pop(number, "")
        outcome = Outcome(
            end,
            metrics,
            epochs,
            float(result.get("seconds") or time.monotonic() - self._started[trial_id]),
            worker=str(result.get("worker") or worker),
            reason=death_reason(self.deaths.get(number, 0))
            if end == "lost"
            else result.get("reason", ""),
            seed=self.seed,
            curve=curve,
        )
        self.proposals.tell(proposal, outcome)
        if end == "complete":
            self.best.see(outcome.metrics, str(proposal.architecture))

    def stop(self) -> None:
        """Propose nothing more."""
        self.stopped = True

    def trials_under_way(self) -> float:
        """How many trials the running ones amount to; half of the epochs are half a trial."""
        epochs = (len(self._curves.get(trial.number, ())) for trial in self.live.values())
        return sum(min(1.0, done / self.epochs) for done in epochs)

    def _comes_again(self, number: int) -> bool:
        """Tune takes the death of an idle worker for two, and the second as final: it is not."""
        deaths = self.deaths.get(number, 0)
        if deaths and deaths == self._came_again.get(number):
            deaths += 1  # a worker that died as it started, which Tune does not recover from
        self.deaths[number] = self._came_again[number] = deaths
        return 0 < deaths < MAX_DEATHS

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Tune takes an error in here for the trial's, or for none at all; it ends the search.

        Nothing more is written then: a record after half of one would spoil both.
        """
        try:
            yield
        except Exception as error:
            self.broken = error
            self.stop()

    def _report(self, proposal: Proposal, result: dict[str, Any]) -> None:
        """Epochs that the study does not know yet: this one, and those before a resumed one."""
        curve = self._curves.setdefault(proposal.number, [])
        self._workers[proposal.number] = str(result.get("worker", ""))
        if result.get("earlier"):
            curve[:] = result["earlier"]
            for epoch, metrics in enumerate(curve, start=1):
                self.proposals.report(proposal, epoch, metrics)
        epoch = int(result.get("epoch", 0))
        if epoch and not result.get("end"):
            curve[epoch - 1 :] = [{k: v for k, v in _metrics(result).items() if k in CURVE}]
            self.proposals.report(proposal, epoch, _metrics(result))

    def save(self, checkpoint_path: str) -> None:
        """Tune wants a file; the study is the state."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: a run is resumed from its study."""


def _metrics(result: dict[str, Any]) -> dict[str, float]:
    return {name: float(result[name]) for name in METRICS if name in result}
