"""The results of a run that is complete, printed again from its files alone."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from se_nas.console import ArchitectureCell
from se_nas.search.results.run_results import JOINED
from se_nas.search.results.search_result import FinalRecord, read_results
from se_nas.search.run_dir.directory import RESULTS, RunDirectory, display_path


def show_again(run: RunDirectory, console: Console) -> None:
    """Print the table, the verdict and the winner of a complete run; nothing is changed.

    Raises:
        InputError: its results cannot be read.
    """
    if JOINED in run.read(RESULTS):
        line = (
            f"the run {run.shown} is complete: its driver joined the study "
            f"{run.read(RESULTS)[JOINED]!r}, and the results are with the driver that began it"
        )
        console.print(line, soft_wrap=True, markup=False)
        return
    winner, verdict, finals = read_results(run)
    console.print(
        f"the run {run.shown} is complete; with more --trials it goes on. Its results:",
        soft_wrap=True,
        markup=False,
    )
    console.print(_table(finals, str(winner)))
    console.print(verdict, soft_wrap=True, markup=False)
    trained = run.winner.exists()
    how = f': se_nas.load("{display_path(run.winner)}")' if trained else ", without weights"
    console.print(f"\nthe winner, {winner}{how}", soft_wrap=True, markup=False)


def _table(finals: tuple[FinalRecord, ...], winner: str) -> Table:
    seeds = max(len(row.ends) for row in finals)
    title = f"retrained with {seeds} seed{'s' * (seeds != 1)}, accuracy in %"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("role", no_wrap=True)
    table.add_column("architecture")
    for column in ("params", "MMACs", "val", "test ± spread"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in finals:
        failed = len(row.ends) - len(row.test_accs)
        table.add_row(
            Text(row.role),
            ArchitectureCell(row.name),
            f"{row.params:,}",
            f"{row.macs / 1e6:,.2f}",
            f"{100 * row.val_mean:.2f}",
            f"{100 * row.test_mean:.2f}"
            + (f" ± {100 * row.test_spread:.2f}" if len(row.test_accs) > 1 else "")
            + (f" ({failed} failed)" if failed else ""),
            style="bold" if row.name == winner else "",
        )
    return table
