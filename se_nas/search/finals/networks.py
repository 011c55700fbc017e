"""The networks of the final table: the best, retrained with several seeds, beside controls.

The winner is chosen on validation images; the test images are looked at once for each network and
choose nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import isnan

from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Cost
from se_nas.latency.table import Latency
from se_nas.search.worker.retrain import RetrainResult
from se_nas.space.objectives import METRICS, Objective

# The controls' roles (``controls.py``).
NO_SE, SE_R16, PLAIN, EARLY = "no SE", "SE r16", "plain trunk", "early best"


@dataclass(frozen=True)
class FinalNetwork:
    """One network of the final table, retrained with several seeds.

    Attributes:
        roles: ``best 1`` …, ``NO_SE`` or another control; several if they are one network.
        search_value: the objective in the search, None for a control that was not in it.
        runs: one for each seed.
        latency: measured, where the search is about latency; the predicted one is in ``cost``.
    """

    roles: tuple[str, ...]
    architecture: Architecture
    cost: Cost
    search_value: float | None
    runs: tuple[RetrainResult, ...]
    latency: Latency | None = None

    @property
    def role(self) -> str:
        """All roles in words: ``best 2 = no SE``."""
        return " = ".join(self.roles)

    @property
    def complete(self) -> list[RetrainResult]:
        return [run for run in self.runs if run.end == "complete"]

    @property
    def test_accs(self) -> list[float]:
        return self.values("test_acc")

    def values(self, metric: str) -> list[float]:
        """Return ``val_acc``, ``test_acc`` or another metric of each seed that came to its end."""
        return [run.value(metric) for run in self.complete]

    def mean(self, metric: str) -> float:
        """Return the seeds' mean; NaN if all failed."""
        values = self.values(metric)
        return statistics.fmean(values) if values else float("nan")

    def spread(self, metric: str) -> float:
        """Return the standard deviation over the seeds; 0 with one seed."""
        values = self.values(metric)
        return statistics.stdev(values) if len(values) > 1 else 0.0

    def with_latency(self, latency: Latency | None) -> FinalNetwork:
        """Return the network with the latency that was measured."""
        return replace(self, latency=latency)

    def to_dict(self) -> dict[str, object]:
        """Return JSON values, without the weights."""
        return {
            "role": self.role,  # for people
            "name": str(self.architecture),
            "architecture": self.architecture.to_json(),
            "cost": asdict(self.cost),
            "latency": self.latency and asdict(self.latency),
            "search_value": self.search_value,
            "val_accs": [run.val_acc for run in self.complete],
            # A user's own training may report none.
            "val_losses": [None if isnan(run.val_loss) else run.val_loss for run in self.complete],
            "test_accs": self.test_accs,
            "more": [dict(run.more) for run in self.complete],
            "ends": [run.end for run in self.runs],
            "reasons": [run.reason for run in self.runs],
        }


def winner(finals: Sequence[FinalNetwork], objective: Objective) -> FinalNetwork:
    """Return the best network of the search, by the mean of the metric that is sought.

    A network that was dropped, whose seeds are fewer, is none.
    """
    own = [final for final in finals if final.search_value is not None]
    most = max(len(final.runs) for final in own)
    own = [final for final in own if len(final.runs) == most]
    complete = [final for final in own if final.complete] or own
    if objective.metric == "val_loss":
        return min(complete, key=lambda final: final.mean("val_loss"))
    return max(complete, key=lambda final: final.mean(validated(objective)))


def validated(objective: Objective) -> str:
    """Return the metric in validation that finals are compared by: an objective of accuracy."""
    return objective.metric if objective.metric in METRICS else "val_acc"


def tested(finals: Sequence[FinalNetwork], objective: Objective) -> str:
    """Return the metric in the test: of the same kind, where all trainings tell it.

    A user's own training may tell its test accuracy alone.
    """
    name = f"test_{objective.metric}"
    told = [name in run.more for final in finals for run in final.complete]
    return name if told and all(told) else "test_acc"


def best_weights(final: FinalNetwork) -> bytes:
    """Return the weights of the seed that is best on validation images; empty if all failed."""
    best = best_run(final)
    return b"" if best is None else best.weights


def best_run(final: FinalNetwork) -> RetrainResult | None:
    """Return the seed that is best on validation images; None if all failed."""
    return max(final.complete, key=lambda run: run.val_acc, default=None)
