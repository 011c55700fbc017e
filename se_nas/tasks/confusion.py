"""A confusion matrix as a page: which classes are taken for which."""

from __future__ import annotations

from html import escape

import numpy as np

from se_nas.tasks.metrics import Evaluation
from se_nas.texts import printable

CELL, LEAST, MOST = 26, 420, 1600  # pixels
NUMBERED = 25  # classes whose cells have room for a number


def confusion_page(found: Evaluation, title: str) -> str:
    """Return a page with the matrix: rows are true classes, and each sums to 100 %.

    Args:
        title: what was evaluated on what; escaped.
    """
    from plotly.graph_objects import Figure, Heatmap

    counts = np.array(found.confusion)
    shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    names = [escape(printable(each.name)) for each in found.classes]
    shown = {"texttemplate": "%{text}"} if len(names) <= NUMBERED else {}
    # By number: two classes may have one name.
    ticks = {"tickvals": [*range(len(names))], "ticktext": names}
    figure = Figure(
        Heatmap(
            z=shares,
            text=counts,
            zmin=0,
            zmax=100,
            colorscale="Blues",
            colorbar={"title": "% of the class"},
            hovertemplate="class %{y} taken for %{x}: %{text} images, %{z:.1f} %<extra></extra>",
            **shown,
        )
    )
    side = min(MOST, max(LEAST, CELL * len(names) + 200))
    figure.update_layout(
        title=f"{escape(printable(title))}: {100 - 100 * found.top1_error:.2f} % right",
        xaxis={"title": "taken for", "side": "bottom", **ticks},
        yaxis={"title": "true class", "autorange": "reversed", **ticks},
        width=side,
        height=side,
    )
    return str(figure.to_html(include_plotlyjs=True))
