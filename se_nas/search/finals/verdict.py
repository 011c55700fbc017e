"""The verdict on SE in two sentences: Welch's t-test over the seeds, and what all trials say."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from se_nas.additive.contrasts import Estimate
from se_nas.architecture.architecture import Architecture
from se_nas.search.finals.networks import NO_SE, SE_R16, FinalNetwork, tested, winner
from se_nas.space.objectives import Objective

# What the trials of the search tell of the difference between two networks, in points.
Believed: TypeAlias = Callable[[Architecture, Architecture], Estimate]


def verdict(
    finals: Sequence[FinalNetwork], objective: Objective, believed: Believed | None = None
) -> str:
    """Return whether SE won: by the seeds at 5 %, and beside it by the trials of the search.

    Args:
        believed: in points of validation accuracy; None where trials tell nothing of them.
    """
    best, metric = winner(finals, objective), tested(finals, objective)
    words = metric.replace("test_acc", "test_accuracy").replace("_", " ").replace("f1", "F1")
    plain = next(final for final in finals if NO_SE in final.roles)
    if plain is not best:
        said = f"{words} against the same trunk without SE"
        return _compared(best, plain, metric, said, "SE {}.", believed)
    head = "SE did not win: the best network of the search has no SE"
    control = next((final for final in finals if SE_R16 in final.roles), None)
    if control is None:
        return f"{head}."
    said = f"SE everywhere at r = 16 in {words} against it"
    return f"{head}. " + _compared(control, best, metric, said, "that control {}.", believed)


def _compared(
    a: FinalNetwork,
    b: FinalNetwork,
    metric: str,
    what: str,
    claim: str,
    believed: Believed | None,
) -> str:
    """Return the difference in a mean of the test and whether the seeds support it."""
    if not a.complete or not b.complete:
        return f"{what}: no verdict, one of the two failed with every seed."
    gain = 100 * (a.mean(metric) - b.mean(metric))
    count = min(len(a.complete), len(b.complete))
    if count < 2:
        return f"{what}: {gain:+.2f} points with one seed: no spread, no verdict."
    test = welch(a.values(metric), b.values(metric))
    if test is None:
        return f"{what}: {gain:+.2f} points ({count} seeds without any spread): no verdict."
    head = f"{what}: {gain:+.2f} ± {100 * test.half:.2f} points ({count} seeds, {_p_value(test.p)})"
    told = claim.format("won" if gain > 0 else "lost") if test.p < 0.05 else "not to be told apart."
    return f"{head}: {told}{_believed(a, b, gain, 100 * test.half, believed)}"


def _believed(
    a: FinalNetwork, b: FinalNetwork, gain: float, half: float, believed: Believed | None
) -> str:
    """Return what the trials say, and both together, weighed by their precision."""
    if believed is None:
        return ""
    by_trials = believed(a.architecture, b.architecture)
    parts = [(gain, half), (by_trials.value, by_trials.half)]
    if not all(width > 0 for _, width in parts):
        return ""
    weights = [1 / width**2 for _, width in parts]
    both = sum(w * value for w, (value, _) in zip(weights, parts, strict=True)) / sum(weights)
    return (
        f" By all trials of the search it is {by_trials.value:+.2f} ± {by_trials.half:.2f} points "
        f"in validation; both together: {both:+.2f} ± {sum(weights) ** -0.5:.2f}."
    )


@dataclass(frozen=True)
class WelchTest:
    """A two-sided p-value, and half of the interval of 95 % around the difference."""

    p: float
    half: float


def _p_value(p: float) -> str:
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.2f}" if p >= 0.1 else f"p = {p:.3f}"


def welch(a: Sequence[float], b: Sequence[float]) -> WelchTest | None:
    """Return Welch's t-test; None where neither side has a spread.

    From moments, which ``statistics`` has exactly: scipy loses them, with a warning, where the
    values of one side are equal. What differs less than one image in a billion is rounding.
    """
    from scipy import stats

    moments: list[float] = []
    for values in (a, b):
        rounded = [round(value, 9) for value in values]
        moments += [statistics.fmean(rounded), statistics.stdev(rounded), len(rounded)]
    if not moments[1] and not moments[4]:
        return None if moments[0] != moments[3] else WelchTest(1.0, 0.0)
    p = float(stats.ttest_ind_from_stats(*moments, equal_var=False).pvalue)
    parts = [moments[i] ** 2 / moments[i + 1] for i in (1, 4)]
    freedom = sum(parts) ** 2 / sum(
        part**2 / (moments[i] - 1) for part, i in zip(parts, (2, 5), strict=True)
    )
    return WelchTest(p, float(stats.t.ppf(0.975, freedom)) * sum(parts) ** 0.5)
