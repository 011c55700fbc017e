"""Parts of plots: what plotly is given, checked by it, and the numbers as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from se_nas.architecture.architecture import Architecture

COLOURS = {"complete": "#1f5fa8", "stopped early": "#b8860b"}
OTHER, INK, WINNER = "#8a8f98", "#222222", "#b3261e"
Json: TypeAlias = dict[str, Any]  # plotly's, or a row of CSV
Point: TypeAlias = tuple[float | None, float | None, str]  # x, y, name
LAYOUT: Json = {
    "template": "plotly_white",
    "margin": {"l": 60, "r": 20, "t": 20, "b": 55},
    "height": 420,
    "font": {"family": "system-ui, sans-serif", "size": 13, "color": INK},
    "legend": {"orientation": "h", "y": 1.12},
}


@dataclass(frozen=True)
class Chart:
    """A plot.

    Attributes:
        key: names its files.
        title, text: above it; the second says what is on it, and is read out in its place.
        figure: plotly's JSON.
        csv: its numbers.
    """

    key: str
    title: str
    text: str
    figure: Json
    csv: str


def dots(points: Iterable[Point], end: str) -> Json:
    """Return dots with names, in the colour of trials that ended so."""
    rows = [*points]
    return {
        "type": "scattergl" if len(rows) > 1000 else "scatter",
        "mode": "markers",
        "name": end,
        "x": [x for x, _, _ in rows],
        "y": [y for _, y, _ in rows],
        "text": [name for _, _, name in rows],
        "hovertemplate": "%{text}<br>%{x}, %{y:.2f}<extra></extra>",
        "marker": {"color": COLOURS.get(end, OTHER), "size": 7 if end == "complete" else 5,
                   "symbol": "circle" if end == "complete" else "circle-open"},
    }  # fmt: skip


def line(name: str, xs: Sequence[float], ys: Sequence[float | None]) -> Json:
    """Return a line of steps."""
    return {"type": "scatter", "mode": "lines", "name": name, "hoverinfo": "skip", "x": xs, "y": ys,
            "line": {"color": INK, "shape": "hv"}}  # fmt: skip


def figure(traces: Sequence[Json], layout: Json) -> Json:
    """Return plotly's JSON; plotly checks every name and value."""
    from plotly.graph_objects import Figure

    made = Figure([dict(t) for t in traces], {**LAYOUT, **layout})
    found: Json = json.loads(made.to_json())
    return found


def csv_text(rows: Sequence[Json]) -> str:
    """Return rows as CSV, with the names of the first."""
    out = io.StringIO()
    table = csv.DictWriter(out, [*rows[0]], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return out.getvalue()


def name_of(architecture: Architecture) -> str:
    """Return a name that may break in a narrow column.

    >>> name_of(Architecture.parse("se_resnet18_s3_r4")).replace(chr(8203), "|")
    'se_|resnet18_|s3_|r4'
    """
    return str(architecture).replace("_", "_\u200b").replace("-", "-\u200b")
