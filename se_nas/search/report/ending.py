"""The end of a search: its report beside the results, and the answer on the screen."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from rich.console import Console

from se_nas.console import print_line, print_lines, shell_word
from se_nas.errors import InputError, described
from se_nas.search.report.contents import Contents, read
from se_nas.search.report.page import FILE, write_contents
from se_nas.search.report.short_answer import short_answer
from se_nas.search.run_dir.directory import RunDirectory, display_path

if TYPE_CHECKING:
    import optuna


def write_report_and_answer(run: RunDirectory, study: optuna.Study, console: Console) -> None:
    """Write the report beside the results, and print its answer; a search does not fail for it."""
    try:
        contents = read(run, study)
        path = write_contents(run, contents)
    except Exception as error:  # of a study in a database too
        print_line(console, f"note: there is no report: {described(error)}")
        return
    _show(contents, display_path(path), console)


def answer_again(run: RunDirectory, console: Console) -> None:
    """Print the answer of a run that is complete, and where its report is."""
    with contextlib.suppress(InputError):  # its results are shown; of a damaged study no more
        page = run.path / FILE
        path = display_path(page) if page.is_file() else None
        _show(read(run), path or f"se-nas report {shell_word(run.shown)} writes one", console)


def _show(contents: Contents, report: str, console: Console) -> None:
    if contents.winner is not None:
        print_line(console, "")
        print_lines(console, short_answer(contents, console.width))
    print_line(console, f"report: {report}")
