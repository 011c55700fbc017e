"""Plots of what was chosen: which choices matter, and those of each network side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence

from se_nas.architecture.architecture import Architecture
from se_nas.search.report.contents import Contents
from se_nas.search.report.plot import COLOURS, LAYOUT, Chart, Json, csv_text, figure
from se_nas.search.results.search_result import TrialRecord
from se_nas.search.study.visualisations import parallel_coordinates
from se_nas.space.objectives import SHARES

MOST_BARS, MOST_LINES = 15, 300
LEAST = 5  # networks


def importance(contents: Contents) -> Chart | None:
    """Return how much each parameter matters for being among the best."""
    if not contents.importances:
        return None
    shown = contents.importances[:MOST_BARS][::-1]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [share for _, share in shown],
        "y": [name for name, _ in shown],
        "marker": {"color": COLOURS["complete"]},
        "hovertemplate": "%{y}: %{x:.2f}<extra></extra>",
    }
    layout = {
        "xaxis": {"title": {"text": "share of importance"}, "rangemode": "tozero"},
        "yaxis": {"automargin": True},
        "height": 140 + 24 * len(shown),
    }
    text = (
        "How much each parameter of the space tells the best tenth of the trials from the rest "
        "(Optuna's conditional PED-ANOVA). It says what matters, not which way: that is the table "
        "of what each choice is worth. With few trials it changes from search to search."
    )
    rows = [{"parameter": name, "importance": share} for name, share in contents.importances]
    return Chart("importance", "Which choices matter", text, figure([bars], layout), csv_text(rows))


def parallel(contents: Contents, trained: Sequence[TrialRecord]) -> Chart | None:
    """Return the trunk and SE by stage of each complete trial beside its value."""
    metric = contents.objective.metric
    scale = 100 if metric in SHARES else 1
    told: list[tuple[dict[str, str], float, TrialRecord]] = []
    stages = sorted({n for t in trained for n in t.architecture.stages})
    for t in trained:
        value = t.metrics.get(metric, t.cost.get(metric))
        if t.end == "complete" and value is not None:
            told.append((_choices(t.architecture, stages), scale * value, t))
    told = told[:: -(-len(told) // MOST_LINES)] if told else told
    varied = [n for n in (told[0][0] if told else ()) if len({c[n] for c, _, _ in told}) > 1]
    if len(told) < LEAST or not varied:
        return None
    rows = [({name: choices[name] for name in varied}, value) for choices, value, _ in told]
    label = f"{metric} %" if metric in SHARES else metric
    made: Json = json.loads(parallel_coordinates(rows, contents.objective.direction, label))
    layout = {"height": LAYOUT["height"], "margin": {**LAYOUT["margin"], "l": 90, "t": 60}}
    made["layout"] |= {"title": None, "font": LAYOUT["font"], **layout}
    text = (
        "Each line is a complete trial, from its value on the left through its trunk and its SE "
        "in each stage, by its reduction ratio; the darker, the better."
    )
    numbers = [{"number": t.number, "name": t.name, metric: v, **c} for c, v, t in told]
    return Chart("parallel", "Choices side by side", text, made, csv_text(numbers))


def _choices(architecture: Architecture, stages: Sequence[int]) -> dict[str, str]:
    found = {"trunk": str(Architecture(architecture.trunk))}
    for number in stages:
        se = architecture.stages.get(number)
        found[f"stage {number}"] = "none" if se is None else f"r{se.reduction:g}"
    return found
