"""The end of a search: the best retrained with several seeds beside two controls, tested once.

The controls are the winner's trunk without SE, and with SE everywhere at r = 16. The winner is
chosen on validation images; the test images are looked at once for each network and choose nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import isnan

from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Cost, Price
from se_nas.latency.table import Latency
from se_nas.se import SE
from se_nas.search.worker.retrain import RetrainResult
from se_nas.space.objectives import Objective

NO_SE, SE_R16 = "no SE", "SE r16"  # the controls' roles


@dataclass(frozen=True)
class FinalNetwork:
    """One network of the final table, retrained with several seeds.

    Attributes:
        roles: ``best 1`` …, ``NO_SE`` or ``SE_R16``; several if they are one network.
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
        return [run.test_acc for run in self.complete]

    def mean(self, metric: str) -> float:
        """Return the seeds' mean ``val_acc``, ``val_loss`` or ``test_acc``; NaN if all failed."""
        values = [float(getattr(run, metric)) for run in self.complete]
        return statistics.fmean(values) if values else float("nan")

    @property
    def test_spread(self) -> float:
        """Standard deviation over the seeds; 0 with one seed."""
        return statistics.stdev(self.test_accs) if len(self.test_accs) > 1 else 0.0

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
            "ends": [run.end for run in self.runs],
            "reasons": [run.reason for run in self.runs],
        }


Train = Callable[[Sequence[tuple[Architecture, int]], str], list[RetrainResult]]


def retrain(
    best: Sequence[tuple[Architecture, float]],
    train: Train,
    seeds: Sequence[int],
    price: Price,
    objective: Objective,
) -> list[FinalNetwork]:
    """Train the best, then the controls of the winner's trunk, each with every seed.

    Args:
        best: architectures and their objective in the search, best first.
        train: trains (architecture, seed) pairs; ``train_on_ray`` in a search.
        seeds: of each network.
        price: the cost of an architecture on the search's data.
        objective: by which the winner is chosen.

    Returns:
        The best and the controls.
    """
    rows = [(f"best {i + 1}", a, value) for i, (a, value) in enumerate(best)]
    finals = _train_all(rows, train, seeds, price, "the best")
    chosen = winner(finals, objective)
    controls: list[tuple[str, Architecture, float | None]] = []
    ids = [final.architecture.id for final in finals]
    for role, architecture in control_architectures(chosen.architecture):
        if architecture.id in ids:
            i = ids.index(architecture.id)
            finals[i] = replace(finals[i], roles=(*finals[i].roles, role))
        else:
            controls.append((role, architecture, None))
    return finals + _train_all(controls, train, seeds, price, "the controls")


def _train_all(
    rows: Sequence[tuple[str, Architecture, float | None]],
    train: Train,
    seeds: Sequence[int],
    price: Price,
    what: str,
) -> list[FinalNetwork]:
    runs = iter(train([(a, seed) for _, a, _ in rows for seed in seeds], what))
    return [
        FinalNetwork(
            (role,), architecture, price(architecture), value, tuple(next(runs) for _ in seeds)
        )
        for role, architecture, value in rows
    ]


def control_architectures(winner: Architecture) -> list[tuple[str, Architecture]]:
    """Return the winner's trunk without SE, and, where it can, with SE everywhere at r = 16."""
    controls = [(NO_SE, Architecture(winner.trunk))]
    if "standard" in winner.trunk.placements:
        controls.append((SE_R16, Architecture(winner.trunk, SE(16))))
    return controls


def winner(finals: Sequence[FinalNetwork], objective: Objective) -> FinalNetwork:
    """Return the best network of the search: by mean val_loss if that is sought, else val_acc."""
    own = [final for final in finals if final.search_value is not None]
    complete = [final for final in own if final.complete] or own
    if objective.metric == "val_loss":
        return min(complete, key=lambda final: final.mean("val_loss"))
    return max(complete, key=lambda final: final.mean("val_acc"))


def best_weights(final: FinalNetwork) -> bytes:
    """Return the weights of the seed that is best on validation images; empty if all failed."""
    best = max(final.complete, key=lambda run: run.val_acc, default=None)
    return b"" if best is None else best.weights
