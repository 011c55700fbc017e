"""The command ``se-nas``; ``runners/*.py`` are its parts. Heavy imports wait until they are needed.

Bad input is one line on stderr and exit code 2.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from se_nas.cli import materialize, search
from se_nas.errors import InputError

app = typer.Typer(
    name="se-nas",
    help="Neural architecture search with the Squeeze-and-Excitation block as a primitive.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(search.search)
app.command()(search.replay)
app.command()(materialize.materialize)


def _version(wanted: bool) -> None:
    if wanted:
        from se_nas import __version__

        typer.echo(f"se-nas {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Neural architecture search with the Squeeze-and-Excitation block as a primitive."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; ``arguments`` default to the process's."""
    try:
        app(args=arguments, standalone_mode=True)
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
