"""The end of a search: the best retrained with several seeds beside two controls, tested once.

The controls are the winner's trunk without SE, and with SE everywhere at r = 16. The winner is
chosen on validation images; the test images are looked at once for each network and choose nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from se_nas.arch import SE, Architecture
from se_nas.cost import Cost
from se_nas.latency.table import Latency
from se_nas.objectives import Objective
from se_nas.search.worker.retrain import RetrainResult


@dataclass(frozen=True)
class Final:
    """One network of the final table, retrained with several seeds.

    Attributes:
        role: ``best 1`` …, ``no SE`` or ``SE r16``; several if they are one network.
        search_value: the objective in the search, None for a control that was not in it.
        runs: one for each seed.
        latency: measured, where the search is about latency; the predicted one is in ``cost``.
    """

    role: str
    architecture: Architecture
    cost: Cost
    search_value: float | None
    runs: tuple[RetrainResult, ...]
    latency: Latency | None = None

    @property
    def complete(self) -> list[RetrainResult]:
        return [run for run in self.runs if run.end == "complete"]

    @property
    def test_accs(self) -> list[float]:
        return [run.test_acc for run in self.complete]

    def mean(self, metric: str) -> float:
        """Mean over the seeds of ``val_acc``, ``val_loss`` or ``test_acc``; NaN if all failed."""
        values = [float(getattr(run, metric)) for run in self.complete]
        return statistics.fmean(values) if values else float("nan")

    @property
    def test_spread(self) -> float:
        """Standard deviation over the seeds; 0 with one seed."""
        return statistics.stdev(self.test_accs) if len(self.test_accs) > 1 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON values, without the weights."""
        return {
            "role": self.role,
            "name": str(self.architecture),
            "architecture": self.architecture.to_json(),
            "cost": asdict(self.cost),
            "latency": self.latency and asdict(self.latency),
            "search_value": self.search_value,
            "val_accs": [run.val_acc for run in self.complete],
            "val_losses": [run.val_loss for run in self.complete],
            "test_accs": self.test_accs,
            "ends": [run.end for run in self.runs],
        }


Train = Callable[[Sequence[tuple[Architecture, int]], str], list[RetrainResult]]


def retrain(
    best: Sequence[tuple[Architecture, float]],
    train: Train,
    seeds: Sequence[int],
    price: Callable[[Architecture], Cost],
    objective: Objective,
) -> list[Final]:
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
            finals[i] = replace(finals[i], role=f"{finals[i].role} = {role}")
        else:
            controls.append((role, architecture, None))
    return finals + _train_all(controls, train, seeds, price, "the controls")


def _train_all(
    rows: Sequence[tuple[str, Architecture, float | None]],
    train: Train,
    seeds: Sequence[int],
    price: Callable[[Architecture], Cost],
    what: str,
) -> list[Final]:
    runs = iter(train([(a, seed) for _, a, _ in rows for seed in seeds], what))
    return [
        Final(role, architecture, price(architecture), value, tuple(next(runs) for _ in seeds))
        for role, architecture, value in rows
    ]


def control_architectures(winner: Architecture) -> list[tuple[str, Architecture]]:
    """The winner's trunk without SE, and with SE everywhere at r = 16 where the trunk can."""
    controls = [("no SE", Architecture(winner.trunk))]
    if "standard" in winner.trunk.placements:
        controls.append(("SE r16", Architecture(winner.trunk, SE(16))))
    return controls


def winner(finals: Sequence[Final], objective: Objective) -> Final:
    """The best of the search's own networks: by mean val_loss if that is sought, else val_acc."""
    own = [final for final in finals if final.search_value is not None]
    complete = [final for final in own if final.complete] or own
    if objective.metric == "val_loss":
        return min(complete, key=lambda final: final.mean("val_loss"))
    return max(complete, key=lambda final: final.mean("val_acc"))


def best_weights(final: Final) -> bytes:
    """The weights of the seed that is best on validation images; empty if every seed failed."""
    return max(final.complete, key=lambda run: run.val_acc, default=RetrainResult("")).weights


def verdict(finals: Sequence[Final], objective: Objective) -> str:
    """Whether SE won, in one sentence: Welch's t-test over the seeds at 5 %."""
    best = winner(finals, objective)
    plain = next(final for final in finals if "no SE" in final.role)
    if plain is not best:
        return _compared(best, plain, "test accuracy against the same trunk without SE", "SE {}.")
    head = "SE did not win: the best network of the search has no SE"
    control = next((final for final in finals if "SE r16" in final.role), None)
    if control is None:
        return f"{head}."
    return f"{head}. " + _compared(
        control, best, "SE everywhere at r = 16 in test accuracy against it", "that control {}."
    )


def _compared(a: Final, b: Final, what: str, claim: str) -> str:
    """The difference in mean test accuracy and whether the seeds support it."""
    if not a.complete or not b.complete:
        return f"{what}: no verdict, one of the two failed with every seed."
    gain = 100 * (a.mean("test_acc") - b.mean("test_acc"))
    head = f"{what}: {gain:+.2f} points"
    count = min(len(a.complete), len(b.complete))
    if count < 2:
        return f"{head} with one seed: no spread, no verdict."
    p = _welch(a.test_accs, b.test_accs)
    if p is None:
        return f"{head} ({count} seeds without any spread): no verdict."
    tail = f"{count} seeds, {_p_value(p)}"
    if p >= 0.05:
        return f"{head} ({tail}): not to be told apart."
    return f"{head} ({tail}): {claim.format('won' if gain > 0 else 'lost')}"


def _p_value(p: float) -> str:
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.2f}" if p >= 0.1 else f"p = {p:.3f}"


def _welch(a: Sequence[float], b: Sequence[float]) -> float | None:
    """The two-sided p-value of Welch's t-test; None where neither has a spread to judge by.

    From moments, which ``statistics`` has exactly: scipy loses them, with a warning, where the
    values of one side are equal. What differs less than one image in a billion is rounding.
    """
    from scipy import stats

    moments: list[float] = []
    for values in (a, b):
        rounded = [round(value, 9) for value in values]
        moments += [statistics.fmean(rounded), statistics.stdev(rounded), len(rounded)]
    if not moments[1] and not moments[4]:
        return None if moments[0] != moments[3] else 1.0
    return float(stats.ttest_ind_from_stats(*moments, equal_var=False).pvalue)
