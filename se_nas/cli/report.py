"""The command ``report``: a run as a page, written or served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from se_nas.cli.answer import AsJson, answering
from se_nas.cli.options import check_paths
from se_nas.cli.usage import Version
from se_nas.errors import InputError
from se_nas.files import expand_home

COMPARISON = "comparison.html"
RUNS = "runs"  # where a run is looked for by its name


def report(
    run: Annotated[
        list[str], typer.Argument(help="A run's folder, or its name in runs/; several: compared.")
    ],
    out: Annotated[
        str | None,
        typer.Option(help="The file [default: report.html in the run; comparison.html]."),
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show it on 127.0.0.1, up to date while trials run.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of --serve; 0 for one that is free.")
    ] = 8642,
    as_json: AsJson = False,
    version: Version = False,
) -> None:
    """Write what a search found as one page that opens from disk, complete or not."""
    from se_nas.console import make_console, print_line
    from se_nas.search.report.comparison import render_comparison
    from se_nas.search.report.contents import read
    from se_nas.search.report.page import write_page, write_report
    from se_nas.search.report.serve import serve_report
    from se_nas.search.run_dir.directory import display_path, find

    answer = answering("report", as_json)
    for name in run:
        check_paths(run=name)
    check_paths(out=out)
    found = [find(name, RUNS, f"run {name!r}") for name in run]
    console = make_console()
    if serve:
        if out is not None:
            raise InputError("--out is for a page that is written: leave it out, or --serve")
        if len(found) > 1:
            raise InputError("--serve shows one run: give one, or leave --serve out")
        serve_report(found[0], port, lambda text: print_line(console, text))
        return
    file = None if out is None else Path(expand_home(out))
    if len(found) == 1:
        path = write_report(found[0], file)
    else:
        path = Path(COMPARISON) if file is None else file
        write_page(path, render_comparison([read(each) for each in found]))
    print_line(console, f"report: {display_path(path)}")
    answer({"runs": [each.path for each in found], "report": path})
