"""The answer of a report in ten lines, for a terminal of any width."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator

from se_nas.console import duration
from se_nas.search.report.contents import Contents, Final
from se_nas.space.objectives import SHARES, show_value
from se_nas.texts import printable

LABEL = 9  # characters of the widest label, and a space
NARROWEST = 24


def short_answer(contents: Contents, width: int) -> list[str]:
    """Return the answer of a complete run in about ten lines; longer ones are wrapped.

    Names and paths are whole, however narrow the terminal is, so that they can be copied.
    """
    lines = ["the answer"]
    for label, text in _answer(contents):
        lines += textwrap.wrap(
            printable(text),
            max(width, NARROWEST) - 1,
            initial_indent=f"  {label:<{LABEL}}",
            subsequent_indent=" " * (LABEL + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines


def _answer(contents: Contents) -> Iterator[tuple[str, str]]:
    won = next((final for final in contents.finals if final.is_winner), None)
    if contents.winner is None or won is None:
        return
    metric = contents.objective.metric if contents.objective.metric in SHARES else "val_acc"
    spread = "" if math.isnan(won.spread) else f" ± {show_value(metric, won.spread)}"
    seeds = f"{won.seeds} seed{'s' * (won.seeds != 1)}"
    yield "winner", str(contents.winner)
    if not math.isnan(won.test):
        yield "test", f"{show_value(metric, won.test)}{spread} % ({seeds})"
    yield "costs", _costs(won)
    for final in contents.finals:
        if final.lead is not None and not final.role.startswith("best"):
            half = "" if final.half is None else f" ± {final.half:.2f}"
            told = "" if final.half is None else _told(final.lead, final.half)
            yield "against", f"{final.role}: {final.lead:+.2f}{half} points{told}"
    if contents.advice:
        yield "where", contents.advice.splitlines()[0]
    hours = sum(trial.seconds for trial in contents.trials if not math.isnan(trial.seconds))
    yield "search", f"{len(contents.trials)} trials, {duration(hours)} of workers"
    yield "load", contents.call


def _costs(final: Final) -> str:
    params, macs = final.cost["params"], final.cost["macs"]
    time = "" if final.latency_ms is None else f", {final.latency_ms:.3f} ms"
    return f"{params:,.0f} parameters, {macs / 1e6:,.2f} M multiply-adds{time}"


def _told(lead: float, half: float) -> str:
    if abs(lead) <= half:
        return ", not to be told apart"
    return ", better" if lead > 0 else ", worse"
