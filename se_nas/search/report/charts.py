"""Plots of a run's trials, by plotly; each with its numbers as CSV."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from se_nas.search.report.choices import importance, parallel
from se_nas.search.report.contents import Contents
from se_nas.search.report.plot import (
    COLOURS,
    LAYOUT,
    OTHER,
    WINNER,
    Chart,
    Json,
    csv_text,
    dots,
    figure,
    line,
)
from se_nas.search.results.search_result import TrialRecord
from se_nas.search.worker.reports import LABELS
from se_nas.space.objectives import COSTS, MEASURED, SHARES

MOST_CURVES = 120
DRAWS = 200  # of random searches
DASHED: Json = {"line": {"color": "#6a3d8f", "dash": "dash"}}
UNITS = {"params": "parameters", "macs": "MACs", "latency_ms": "ms", "peak_activations": "elements"}


def charts(contents: Contents) -> list[Chart]:
    """Return the plots of a run: those that its trials have something for."""
    trained = [t for t in contents.trials if _value(contents, t) is not None]
    made = [front(contents, trained), history(contents, trained), curves(contents, trained)]
    made += [importance(contents), parallel(contents, trained), spent(contents)]
    return [chart for chart in made if chart is not None]


def front(contents: Contents, trained: Sequence[TrialRecord]) -> Chart | None:
    """Return accuracy against each cost, with the front and the networks of the finals."""
    costs = [c for c in (*MEASURED, *COSTS) if any(c in t.cost for t in trained)]
    if not trained or not costs:
        return None
    traces: list[Json] = []
    for number, cost in enumerate(costs):
        shown = {"visible": number == 0}
        for end, own in _by_end(trained).items():
            traces.append(
                dots([(t.cost.get(cost), _value(contents, t), t.name) for t in own], end) | shown
            )
        whole = [t for t in trained if t.end == "complete" and cost in t.cost]
        best = _front(contents, whole, cost)
        xs, ys = [t.cost[cost] for t in best], [_value(contents, t) for t in best]
        traces += [line("front", xs, ys) | shown, _finals(contents, cost) | shown]
    each = len(traces) // len(costs)
    buttons = [
        {
            "label": UNITS.get(cost, cost),
            "method": "update",
            "args": [
                {"visible": [i // each == number for i in range(len(traces))]},
                {"xaxis.title.text": UNITS.get(cost, cost)},
            ],
        }
        for number, cost in enumerate(costs)
    ]
    layout: Json = {
        "xaxis": {"title": {"text": UNITS.get(costs[0], costs[0])}, "type": "log"},
        "yaxis": {"title": {"text": title_of(contents)}},
    }
    menu = {"type": "buttons", "direction": "right", "x": 0, "y": -0.22, "buttons": buttons}
    layout["updatemenus"] = [menu] if len(costs) > 1 else []
    layout["margin"] = {**LAYOUT["margin"], "b": 100}
    rows = [
        {"number": t.number, "name": t.name, "end": t.end, **{c: t.cost.get(c) for c in costs},
         contents.objective.metric: _metric(contents, t)}
        for t in trained
    ]  # fmt: skip
    text = (
        "Each dot is a network that was trained; the line joins those that no other beats in both. "
        "Diamonds are the networks of the finals, by their mean over the seeds: among them the "
        "trunk without SE and with the paper's SE everywhere."
    )
    return Chart("front", "Accuracy against cost", text, figure(traces, layout), csv_text(rows))


def history(contents: Contents, trained: Sequence[TrialRecord]) -> Chart | None:
    """Return the trials in their order, and the best so far."""
    if not trained:
        return None
    best = best_by_trial(contents)
    traces = [
        dots([(t.number, _value(contents, t), t.name) for t in own], end)
        for end, own in _by_end(trained).items()
    ]
    traces.append(line("best so far", [n for n, _ in best], [v for _, v in best]))
    text = (
        "Each dot is a trial, in the order of proposal; the line is the best complete one so far."
    )
    if contents.at_random:
        foreseen = at_random(contents, 1 + trained[-1].number)
        traces.append(line("random search, estimated", [*range(len(foreseen))], foreseen) | DASHED)
        text += (
            " Dashed: what as many random networks, all trained to their end, would have given at "
            "best, estimated by the model of the effects with the noise of seeds."
        )
    layout = {
        "xaxis": {"title": {"text": "trial"}},
        "yaxis": {"title": {"text": title_of(contents)}},
    }
    rows = [
        {"number": t.number, "name": t.name, "end": t.end, "epochs": t.epochs,
         "seconds": t.seconds, contents.objective.metric: _metric(contents, t)}
        for t in trained
    ]  # fmt: skip
    return Chart("history", "The search, trial by trial", text,
                 figure(traces, layout), csv_text(rows))  # fmt: skip


def at_random(contents: Contents, trials: int) -> list[float]:
    """Return the expected best value of so many random networks, for each number from 1."""
    import numpy as np

    rng = np.random.default_rng(0)
    better = 1 if contents.objective.direction == "maximize" else -1
    means, deviations = np.array(contents.at_random).T
    chosen = rng.integers(len(means), size=(DRAWS, trials))
    values = better * means[chosen] + deviations[chosen] * rng.standard_normal(chosen.shape)
    best = better * np.maximum.accumulate(values, axis=1).mean(0)
    share = contents.objective.metric in SHARES
    found: list[float] = (100 * np.minimum(best, 1) if share else best).tolist()
    return found


def best_by_trial(contents: Contents) -> list[tuple[int, float]]:
    """Return the best value so far after each complete trial."""
    better = max if contents.objective.direction == "maximize" else min
    best: list[tuple[int, float]] = []
    for t in contents.trials:
        value = _value(contents, t)
        if t.end == "complete" and value is not None:
            best.append((t.number, better(best[-1][1], value) if best else value))
    return best


def curves(contents: Contents, trained: Sequence[TrialRecord]) -> Chart | None:
    """Return learning curves, and how well each epoch ranks networks as the last one does."""
    metric = contents.objective.metric
    scale = 100 if metric in SHARES else 1
    told = [t for t in trained if len(t.curve) > 1]
    if not told:
        return None
    step = -(-len(told) // MOST_CURVES)
    winner = str(contents.winner)
    traces = []
    for t in [t for i, t in enumerate(told) if i % step == 0 or t.name == winner]:
        values = [point.get(metric) for point in t.curve]
        colour = WINNER if t.name == winner else COLOURS.get(_end(t), OTHER)
        traces.append(
            {"type": "scatter", "mode": "lines", "name": t.name, "showlegend": False,
             "x": [*range(1, len(values) + 1)],
             "y": [None if v is None else scale * v for v in values],
             "line": {"color": colour, "width": 3 if t.name == winner else 1},
             "opacity": 1 if t.name == winner else 0.5}
        )  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": "epoch"}},
        "yaxis": {"title": {"text": title_of(contents)}},
    }
    rows = [
        {"number": t.number, "name": t.name, "epoch": i, metric: point.get(metric)}
        for t in told[::step]
        for i, point in enumerate(t.curve, 1)
    ]
    text = "Blue: trained to the end; brown: stopped early; red: the winner."
    if step > 1:
        text += f" One trial in {step} is shown."
    text += _foretold(contents, told)
    return Chart("curves", "Learning curves", text, figure(traces, layout), csv_text(rows))


def spent(contents: Contents) -> Chart | None:
    """Return how trials ended, and where the time went."""
    ended = [t for t in contents.trials if t.end is not None]
    if not ended:
        return None
    by_end = _by_end(ended)
    hours = {end: sum(t.seconds for t in own) / 3600 for end, own in by_end.items()}
    shared = {"type": "bar", "orientation": "h", "y": [*by_end], "showlegend": False}
    colour = {"marker": {"color": [COLOURS.get(end, OTHER) for end in by_end]}}
    traces = [
        shared | colour | {"x": [len(own) for own in by_end.values()], "name": "trials"},
        shared | colour | {"x": [*hours.values()], "name": "hours", "xaxis": "x2", "yaxis": "y2"},
    ]
    layout = {
        "grid": {"rows": 1, "columns": 2, "pattern": "independent"},
        "xaxis": {"title": {"text": "trials"}},
        "xaxis2": {"title": {"text": "hours of workers"}},
        "yaxis": {"automargin": True},
        "yaxis2": {"showticklabels": False},
        "height": 130 + 40 * len(by_end),
    }
    rows = [{"end": end, "trials": len(own), "hours": hours[end]} for end, own in by_end.items()]
    text = "How many trials ended in which way, and the time that each kind took."
    return Chart("spent", "Where the time went", text, figure(traces, layout), csv_text(rows))


def _foretold(contents: Contents, told: Sequence[TrialRecord]) -> str:
    """Return how the networks' order at earlier epochs agrees with that at the last."""
    metric = contents.objective.metric
    whole = [t for t in told if t.end == "complete" and len(t.curve) == contents.epochs]
    if len(whole) < 5:
        return ""
    from scipy import stats

    last = [t.curve[-1].get(metric, math.nan) for t in whole]
    found = []
    for epoch in sorted({max(1, contents.epochs * k // 4) for k in (1, 2, 3)}):
        at = [t.curve[epoch - 1].get(metric, math.nan) for t in whole]
        tau = float(stats.kendalltau(at, last).statistic) if len(set(at)) > 1 else math.nan
        if math.isfinite(tau):
            found.append(f"{tau:.2f} after epoch {epoch}")
    if not found:
        return ""
    return (
        f" The order of the {len(whole)} complete trials agrees with their last one by Kendall's "
        f"τ = {', '.join(found)} (1: the same order; 0: chance)."
    )


def _finals(contents: Contents, cost: str) -> Json:
    scale = 100 if contents.objective.metric in SHARES else 1
    rows = [f for f in contents.finals if math.isfinite(f.val) and cost in f.cost and scale > 1]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "finals",
        "x": [f.cost[cost] for f in rows],
        "y": [scale * f.val for f in rows],
        "text": [f"{f.role}: {f.architecture}" for f in rows],
        "hovertemplate": "%{text}<br>%{x}, %{y:.2f}<extra></extra>",
        "marker": {"color": [WINNER if f.is_winner else "#ffffff" for f in rows], "size": 12,
                   "symbol": "diamond", "line": {"color": WINNER, "width": 2}},
    }  # fmt: skip


def _front(contents: Contents, whole: Sequence[TrialRecord], cost: str) -> list[TrialRecord]:
    sign = 1 if contents.objective.direction == "maximize" else -1
    found: list[TrialRecord] = []
    top = -math.inf
    for t in sorted(whole, key=lambda t: (t.cost[cost], -sign * (_value(contents, t) or 0))):
        value = sign * (_value(contents, t) or 0)
        if math.isfinite(value) and value > top:
            found.append(t)
            top = value
    return found


def _by_end(trials: Sequence[TrialRecord]) -> dict[str, list[TrialRecord]]:
    found: dict[str, list[TrialRecord]] = defaultdict(list)
    for t in trials:
        found[_end(t)].append(t)
    return dict(sorted(found.items(), key=lambda pair: -len(pair[1])))


def _end(trial: TrialRecord) -> str:
    return "running" if trial.end is None else LABELS[trial.end]


def _metric(contents: Contents, trial: TrialRecord) -> float | None:
    return {**trial.cost, **trial.metrics}.get(contents.objective.metric)


def _value(contents: Contents, trial: TrialRecord) -> float | None:
    """Return a trial's value as it is shown: shares in percent."""
    value = _metric(contents, trial)
    if value is None or not math.isfinite(value):
        return None
    return 100 * value if contents.objective.metric in SHARES else value


def title_of(contents: Contents) -> str:
    """Return the title of an axis with the objective's values."""
    metric = contents.objective.metric
    return f"{metric}, %" if metric in SHARES else metric
