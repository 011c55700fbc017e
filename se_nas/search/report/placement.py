"""A network's SE as a picture: stages are columns, and a bar is the share that the squeeze keeps.

Drawn as SVG, so that it is sharp on paper and on a telephone, and a screen reader reads its text.
"""

from __future__ import annotations

import math
from html import escape

from se_nas.architecture.architecture import Architecture
from se_nas.se import SE

COLUMN, HEIGHT, BAR = 108, 92, 46
LARGEST = 64  # a reduction with the shortest bar


def picture(architecture: Architecture) -> str:
    """Return an SVG picture of where a network has SE, and which.

    >>> "stage 3: r = 4, standard, avg, sigmoid" in picture(Architecture.parse("se_resnet18_s3_r4"))
    True
    """
    stages = architecture.stages
    width = COLUMN * len(stages)
    told = "; ".join(_words(number, se) for number, se in stages.items())
    columns = "".join(_column(i, number, se) for i, (number, se) in enumerate(stages.items()))
    return (
        f'<svg class="placement" role="img" viewBox="0 0 {width} {HEIGHT}" width="{width}" '
        f'height="{HEIGHT}"><title>{escape(f"{architecture}: {told}")}</title>{columns}</svg>'
    )


def _column(position: int, number: int, se: SE | None) -> str:
    x, middle = COLUMN * position, COLUMN * position + COLUMN / 2
    parts = [
        f'<rect x="{x + 5}" y="2" width="{COLUMN - 10}" height="{BAR + 4}" class="stage"/>',
        _text(middle, BAR + 18, f"stage {number}", "name"),
    ]
    if se is None:
        parts.append(_text(middle, 4 + BAR / 2 + 4, "no SE", "none"))
    else:
        height = _height(se.reduction)
        y = 4 + BAR - height
        parts += [
            f'<rect x="{x + 9}" y="{y:.1f}" width="{COLUMN - 18}" height="{height:.1f}" '
            f'class="bar {se.placement}"/>',
            _text(middle, 16, f"r = {se.reduction:g}", "ratio"),
            _text(middle, BAR + 31, se.placement, "mark"),
            _text(middle, BAR + 43, f"{se.squeeze}, {se.gate}".replace("_", " "), "mark"),
        ]
    return "".join(parts)


def _height(reduction: float) -> float:
    """Return a bar's height: half of it for a reduction that is eight times as large."""
    return BAR * (1 - 0.85 * min(1.0, math.log2(max(reduction, 1)) / math.log2(LARGEST)))


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(text)}</text>'


def _words(number: int, se: SE | None) -> str:
    if se is None:
        return f"stage {number}: none"
    return f"stage {number}: r = {se.reduction:g}, {se.placement}, {se.squeeze}, {se.gate}"
