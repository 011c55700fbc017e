"""The commands ``search`` and ``replay``: one option for each setting of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from se_nas.cli.answer import AsJson, answering
from se_nas.cli.options import add_settings, named_options
from se_nas.cli.usage import Version
from se_nas.errors import InputError
from se_nas.search.config import SearchConfig, check_new_run, config_from_options
from se_nas.texts import printable

if TYPE_CHECKING:
    from se_nas.search.run_dir.directory import RunDirectory


def search(
    context: typer.Context,
    *,
    config: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Settings in TOML or YAML; options here win over it."),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Finish a run: its folder, or its name in --out."),
    ] = None,
    join: Annotated[
        bool,
        typer.Option("--join", help="Work on the study --name in --storage, begun elsewhere."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the space and its costs; train nothing.")
    ] = False,
    as_json: AsJson = False,
    version: Version = False,
    **settings: Any,
) -> None:
    """Search a space on a data set; retrain and test the best beside two controls."""
    from se_nas.console import make_console
    from se_nas.search.config_file import read_settings
    from se_nas.space.space_files import load_space

    answer = answering("search", as_json)
    if join and resume is not None:
        raise InputError("--join is for a new driver, --resume RUN for one that was cut: give one")
    written = {} if config is None else read_settings(config)
    written |= {name: settings[name] for name in named_options(context) if name in settings}
    if written.get("space") is None and resume is None and not join:
        raise InputError("--space is missing: give a space, or --resume RUN")
    asked = config_from_options(written)
    if resume is None and not join:
        check_new_run(written)
    space = None if asked.space is None else load_space(asked.space)
    if dry_run:
        if space is None:
            raise InputError("--dry-run shows a space: give --space")
        from se_nas.search.dry_run import show

        answer(show(space, asked, make_console()))
        return
    from se_nas import search as engine
    from se_nas.search.user_input import console_for

    console = console_for(progress=True)
    try:
        if join:
            run = engine.join(space, asked, written, console)
        elif resume is not None:
            run = engine.resume(resume, space, asked, written, console)
        else:
            assert space is not None, "one of the three is given"
            run = engine.search(space, asked, console)
    except KeyboardInterrupt as signal:
        typer.echo("interrupted", err=True)
        raise typer.Exit(getattr(signal, "exit_code", 130)) from None
    if as_json:
        answer(answer_of(run))


add_settings(search, SearchConfig)


def answer_of(run: RunDirectory) -> dict[str, Any]:
    """Return what a search answers to a program: its folder, and results.json."""
    from se_nas.search.report.page import FILE
    from se_nas.search.run_dir.directory import RESULTS

    report = run.path / FILE
    return {
        "run": run.path,
        "report": report if report.is_file() else None,
        "results": run.read(RESULTS),
    }


def replay(
    run: Annotated[str, typer.Argument(help="A run's folder, or its name in --out.")],
    out: Annotated[str, typer.Option(help="Folder of the runs.")] = "runs",
    as_json: AsJson = False,
    version: Version = False,
) -> None:
    """Ask and tell a run's sampler again in the recorded order; exit code 1 if proposals differ."""
    from se_nas.search.replay import replay as ask_again

    answer = answering("replay", as_json)
    found = ask_again(run, out)
    typer.echo(printable(found))
    fields = ("number", "recorded", "replayed")
    different = found.different and dict(zip(fields, found.different, strict=True))
    answer({"asks": found.asks, "different": different})
    if found.different is not None:
        raise typer.Exit(1)
