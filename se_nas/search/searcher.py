"""Ray Tune's ``Searcher`` over ``Proposals``: a translation, no decisions.

Tune tells a searcher that a trial ended but not how: an epoch count below the budget, or the
``end`` that the trial reports itself, says it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

from ray.tune.search import Searcher

from se_nas.search.journal import batch
from se_nas.search.proposals import End, Outcome, Proposal, Proposals

METRICS = ("val_acc", "val_loss", "latency_ms", "unpreserved")


class StudySearcher(Searcher):
    """Proposes what ``proposals`` accepts and tells it what Tune reports.

    Args:
        proposals: the study's side.
        epochs: a trial's budget; fewer mean that the scheduler stopped it.
    """

    def __init__(self, proposals: Proposals, epochs: int) -> None:
        super().__init__()
        self.proposals, self.epochs = proposals, epochs
        self.live: dict[str, Proposal] = {}
        self.stopped = False
        self._started: dict[str, float] = {}

    def set_search_properties(self, *_: Any, **__: Any) -> bool:
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        proposal = None if self.stopped else self.proposals.ask()
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
        if not result.get("end") and not result.get("ready"):
            self.proposals.report(self.live[trial_id], result["epoch"], _metrics(result))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        proposal = self.live.pop(trial_id, None)
        if proposal is None:
            return
        result = result or {}
        epochs = int(result.get("epoch", 0))
        end: End = result.get("end") or ("complete" if epochs >= self.epochs else "stopped_early")
        if error or not result or (self.stopped and end == "stopped_early"):
            end = "lost"  # it did not end by itself
        seconds = time.monotonic() - self._started.pop(trial_id)
        worker = str(result.get("worker", ""))
        with batch(self.proposals.study):
            if end in ("complete", "stopped_early") and not result.get("end"):
                # Tune passes a trial's last result here and not to on_trial_result.
                self.proposals.report(proposal, epochs, _metrics(result))
            self.proposals.tell(proposal, Outcome(end, _metrics(result), epochs, seconds, worker))

    def stop(self) -> None:
        """Propose nothing more."""
        self.stopped = True

    def settle(self) -> None:
        """End what is still live: nothing will be told of it any more."""
        for trial_id in list(self.live):
            self.on_trial_complete(trial_id, None, error=True)

    def save(self, checkpoint_path: str) -> None:
        """Tune wants a file; the study is the state."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: a run is resumed from its study."""


def _metrics(result: dict[str, Any]) -> dict[str, float]:
    return {name: float(result[name]) for name in METRICS if name in result}
