"""The page of a report: one file with everything in it, whatever the names of a user are.

Texts are escaped by the template. Plotly and the plots' data are packed with gzip, which every
browser unpacks since 2023: the page is 2 MB, and what is to be read needs no script at all.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from se_nas.errors import InputError
from se_nas.files import replace_atomically
from se_nas.search.report.charts import charts
from se_nas.search.report.contents import Contents, read
from se_nas.search.report.placement import picture
from se_nas.search.report.plot import Chart, name_of
from se_nas.search.results.effects import ChoiceEffect
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.space.objectives import SHARES, show_value
from se_nas.texts import printable

if TYPE_CHECKING:
    import optuna

FILE = "report.html"
MOST_ROWS = 500  # of the table of trials; its CSV has all


def write_report(
    run: RunDirectory, out: Path | None = None, study: optuna.Study | None = None
) -> Path:
    """Write the page of a run, and return where it is.

    Args:
        out: the file [default: ``report.html`` in the run's folder].
        study: the run's, if it is open already.

    Raises:
        InputError: the run cannot be read, or the file not be written.
    """
    return write_contents(run, read(run, study), out)


def write_contents(run: RunDirectory, contents: Contents, out: Path | None = None) -> Path:
    """Write the page of a run that was read, and return where it is.

    Raises:
        InputError: the file cannot be written.
    """
    path = run.path / FILE if out is None else out
    write_page(path, render(contents))
    return path


def write_page(path: Path, page: str) -> None:
    """Write a page, whatever is in it.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        replace_atomically(path, page.encode("utf-8", errors="backslashreplace"))
    except OSError as error:
        raise InputError(f"the report {str(path)!r} cannot be written: {error.strerror}") from None


def render(contents: Contents) -> str:
    """Return the page."""
    plots = charts(contents)
    return fill(
        "page.html.j2",
        plots,
        title=contents.name,
        c=contents,
        bar=lambda effect: Markup(_interval(effect, contents)),
        trials=contents.trials[:MOST_ROWS],
        show=lambda metric, value: "–" if math.isnan(value) else show_value(metric, value),
        metric=contents.objective.metric,
        share=contents.objective.metric in SHARES,
        choices=[e for e in contents.effects if _is_wide(e)],
        by_stage=[e for e in contents.effects if not _is_wide(e)],
        timed=any(f.latency_ms is not None for f in contents.finals),
    )


def fill(template: str, plots: Sequence[Chart], **values: object) -> str:
    """Return a template's page; all texts in it are escaped.

    Args:
        values: what it shows; ``title`` is one of them.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        printable=printable, points=_points, percent=_percent, number=_number, name=name_of
    )
    return environment.get_template(template).render(
        plots=plots,
        packed=Markup(_packed(plots)) if plots else "",
        picture=lambda architecture: Markup(picture(architecture)),
        **values,
    )


def _is_wide(effect: ChoiceEffect) -> bool:
    """Return whether it is SE of a stage, or a setting of all stages: what one asks first."""
    return effect.against == "none" or " in stage" not in effect.choice


def _packed(plots: Sequence[Chart]) -> str:
    data = [{"key": plot.key, "figure": plot.figure, "csv": plot.csv} for plot in plots]
    text = json.dumps(data, allow_nan=False)
    parts = {
        "plotly": _plotly(),
        "data": base64.b64encode(gzip.compress(text.encode(), 6)).decode(),
    }
    return "".join(
        f'<script type="application/gzip" id="{name}">{content}</script>'
        for name, content in parts.items()
    )


@cache
def _plotly() -> str:
    script = files("plotly").joinpath("package_data/plotly.min.js").read_bytes()
    return base64.b64encode(gzip.compress(script, 9)).decode()


def _interval(effect: ChoiceEffect, contents: Contents) -> str:
    """Return an effect's interval as a small picture, on the scale of all."""
    most = max(max(abs(e.low), abs(e.high)) for e in contents.effects) or 1.0
    low, high, at = (60 + 58 * value / most for value in (effect.low, effect.high, effect.worth))
    kind = "told" if effect.is_told else "open"
    return (
        '<svg class="interval" viewBox="0 0 120 14" width="120" height="14" aria-hidden="true">'
        '<line x1="60" x2="60" y1="0" y2="14" class="zero"/>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="7" y2="7" class="{kind}"/>'
        f'<circle cx="{at:.1f}" cy="7" r="3.5" class="{kind}"/></svg>'
    )


def _points(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:+.2f}"


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.2f}"


def _number(value: float) -> str:
    return f"{value:,.0f}"
