"""Searches side by side: a page of their winners, and how each search went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from se_nas.errors import InputError
from se_nas.search.report.charts import best_by_trial, title_of
from se_nas.search.report.contents import Contents, Final, difference
from se_nas.search.report.page import fill
from se_nas.search.report.plot import Chart, Json, csv_text, figure

MOST = 20  # runs on a page


@dataclass(frozen=True)
class Row:
    """A run.

    Attributes:
        winner: None while the run is not complete.
        difference: of its winner to the first run's, in words.
    """

    name: str
    facts: tuple[tuple[str, str], ...]
    verdict: str
    advice: str
    winner: Final | None
    difference: str
    trials: int
    hours: float


def render_comparison(found: Sequence[Contents]) -> str:
    """Return the page of several runs, the first of which the others are compared with.

    Raises:
        InputError: there are too many.
    """
    if len(found) > MOST:
        raise InputError(f"{len(found)} runs are too many for a page; give at most {MOST}")
    winners = [next((f for f in each.finals if f.is_winner), None) for each in found]
    alike = len({(dict(each.facts)["Data"], str(each.objective)) for each in found}) == 1
    rows = [
        Row(
            each.name,
            each.facts,
            each.verdict,
            each.advice,
            own,
            _difference(own, winners[0], alike, i == 0),
            len(each.trials),
            sum(trial.seconds for trial in each.trials) / 3600,
        )
        for i, (each, own) in enumerate(zip(found, winners, strict=True))
    ]
    plots: list[Chart] = []
    if alike:
        plot = best_so_far(found)
        plots = [] if plot is None else [plot]
    title = ", ".join(each.name for each in found)
    return fill("comparison.html.j2", plots, title=title, rows=rows, alike=alike)


def best_so_far(found: Sequence[Contents]) -> Chart | None:
    """Return the best values of several searches, by the hours that their workers spent."""
    traces: list[Json] = []
    rows: list[Json] = []
    for number, contents in enumerate(found):
        spent_by: dict[int, float] = {}
        hours = 0.0
        for t in contents.trials:
            hours += t.seconds / 3600
            spent_by[t.number] = hours
        best = best_by_trial(contents)
        name = f"{number + 1}"  # plotly reads tags in names
        traces.append(
            {"type": "scatter", "mode": "lines+markers", "name": f"run {name}",
             "x": [spent_by[n] for n, _ in best], "y": [v for _, v in best],
             "line": {"shape": "hv"}, "marker": {"size": 4}}
        )  # fmt: skip
        rows += [{"run": contents.name, "trial": n, "hours": spent_by[n], "best": v}
                 for n, v in best]  # fmt: skip
    if not rows:
        return None
    layout = {
        "xaxis": {"title": {"text": "hours of workers"}},
        "yaxis": {"title": {"text": title_of(found[0])}},
    }
    text = "The best complete trial of each run so far; run 1 is the first in the table."
    return Chart("best", "How each search went", text, figure(traces, layout), csv_text(rows))


def _difference(own: Final | None, first: Final | None, alike: bool, is_first: bool) -> str:
    if is_first:
        return "the first"
    if own is None or first is None or not alike or not own.tests or not first.tests:
        return "–"
    points, half = difference(own.tests, first.tests)
    return f"{points:+.2f}" + ("" if half is None else f" ± {half:.2f}")
