"""Whether SE won, in one sentence: Welch's t-test over the seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from se_nas.search.finals.networks import NO_SE, SE_R16, FinalNetwork, winner
from se_nas.space.objectives import Objective


def verdict(finals: Sequence[FinalNetwork], objective: Objective) -> str:
    """Whether SE won, in one sentence: Welch's t-test over the seeds at 5 %."""
    best = winner(finals, objective)
    plain = next(final for final in finals if NO_SE in final.roles)
    if plain is not best:
        return _compared(best, plain, "test accuracy against the same trunk without SE", "SE {}.")
    head = "SE did not win: the best network of the search has no SE"
    control = next((final for final in finals if SE_R16 in final.roles), None)
    if control is None:
        return f"{head}."
    return f"{head}. " + _compared(
        control, best, "SE everywhere at r = 16 in test accuracy against it", "that control {}."
    )


def _compared(a: FinalNetwork, b: FinalNetwork, what: str, claim: str) -> str:
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
