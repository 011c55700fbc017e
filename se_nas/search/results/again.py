"""The results of a run that is complete, printed again from its files alone."""

from __future__ import annotations

import os

from rich.console import Console

from se_nas.architecture.architecture import Architecture
from se_nas.console import NetworkRow, print_line, print_networks, python_text
from se_nas.errors import InputError
from se_nas.models.saving import load
from se_nas.search.results.effects import Answer, show_answer
from se_nas.search.results.run_results import JOINED
from se_nas.search.results.search_result import FinalRecord, read_answer, read_results
from se_nas.search.run_dir.directory import RESULTS, RunDirectory, display_path


def show_again(run: RunDirectory, console: Console) -> None:
    """Print the table, the verdict and the winner of a complete run; nothing is changed.

    Raises:
        InputError: its results cannot be read.
    """
    joined = run.read(RESULTS).get(JOINED)
    if joined is not None:
        print_line(
            console,
            f"the run {run.shown} is complete: its driver joined the study {joined!r}, and the "
            "results are with the driver that began it",
        )
        return
    winner, verdict, finals = read_results(run)
    advice, effects = read_answer(run)
    print_line(console, f"the run {run.shown} is complete; with more trials it goes on")
    if effects:
        show_answer(console, Answer(effects, advice))
    print_line(console, "")
    seeds = max(len(row.ends) for row in finals)
    print_networks(
        console,
        f"retrained with {seeds} seed{'s' * (seeds != 1)}; * the winner",
        ("params", "MMACs", "val %", "test ± spread %" if seeds > 1 else "test %"),
        [_row(row, winner, seeds) for row in finals],
    )
    print_line(console, verdict)
    print_line(console, "")
    print_line(console, f"the winner, {winner}{_weights(run)}")


def _weights(run: RunDirectory) -> str:
    """Say how to load a run's winner, or why that does not work."""
    if not os.path.lexists(run.winner):
        return ", without weights"
    try:
        load(run.winner)
    except InputError as error:
        return f", whose file is damaged: {error}"
    return f": se_nas.load({python_text(display_path(run.winner))})"


def _row(row: FinalRecord, winner: Architecture, seeds: int) -> NetworkRow:
    best = row.name == str(winner)
    failed = len(row.ends) - len(row.test_accs)
    fewer = f" ({len(row.ends)} seeds)" * (len(row.ends) < seeds)
    spread = f" ± {100 * row.test_spread:.2f}" if len(row.test_accs) > 1 else ""
    cells = (
        f"{row.params:,}",
        f"{row.macs / 1e6:,.2f}",
        f"{100 * row.val_mean:.2f}",
        f"{100 * row.test_mean:.2f}{spread}" + f" ({failed} failed)" * bool(failed) + fewer,
    )
    return NetworkRow(row.role + " *" * best, row.name, cells, best)
