"""The command ``report``: a run as a page, written or served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from se_nas.cli.options import check_paths
from se_nas.cli.usage import Version
from se_nas.errors import InputError
from se_nas.files import expand_home

RUNS = "runs"  # where a run is looked for by its name


def report(
    run: Annotated[str, typer.Argument(help="A run's folder, or its name in runs/.")],
    out: Annotated[
        str | None, typer.Option(help="The file to write [default: report.html in the run].")
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show it on 127.0.0.1, up to date while trials run.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of --serve; 0 for one that is free.")
    ] = 8642,
    version: Version = False,
) -> None:
    """Write what a search found as one page that opens from disk, complete or not."""
    from se_nas.console import make_console, print_line
    from se_nas.search.report.page import write_report
    from se_nas.search.report.serve import serve_report
    from se_nas.search.run_dir.directory import display_path, find

    check_paths(run=run, out=out)
    if serve and out is not None:
        raise InputError("--out is for a page that is written: leave it out, or --serve")
    found, console = find(run, RUNS, f"run {run!r}"), make_console()
    if serve:
        serve_report(found, port, lambda text: print_line(console, text))
        return
    path = write_report(found, None if out is None else Path(expand_home(out)))
    print_line(console, f"report: {display_path(path)}")
