"""What a proposal is and how its trial ends: plain values, kept in the study as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import optuna

from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Cost

End: TypeAlias = Literal[
    "complete", "stopped_early", "not_finite", "out_of_memory", "error", "lost"
]
# Ends that say nothing of the network: it may come again under the next driver.
FAILED = ("error", "lost")


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        end: the reason.
        metrics: the last epoch's, e.g. val_acc in [0, 1]; none if no epoch came to its end.
        epochs: epochs trained.
        seconds: wall time.
        worker: host and process that trained it.
        reason: in words, where ``end`` does not say it all.
        seed: of its weights and batches.
        curve: metrics of every epoch, from the first.
    """

    end: End
    metrics: Mapping[str, float]
    epochs: int = 0
    seconds: float = 0.0
    worker: str = ""
    reason: str = ""
    seed: int = 0
    curve: Sequence[Mapping[str, float]] = ()


@dataclass(frozen=True)
class Proposal:
    """An architecture to train, and the Optuna trial that it answers."""

    trial: optuna.Trial
    architecture: Architecture
    cost: Cost

    @property
    def number(self) -> int:
        return self.trial.number


@dataclass
class Counts:
    """What became of the sampler's proposals so far, under all drivers of the study."""

    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    unpreserved: int = 0  # trials with SE blocks that could not start as identities
    ends: dict[str, int] = field(default_factory=dict[str, int])

    def end(self, outcome: Outcome) -> None:
        """One more trial ended."""
        self.ends[outcome.end] = self.ends.get(outcome.end, 0) + 1
        self.unpreserved += outcome.metrics.get("unpreserved", 0) > 0
