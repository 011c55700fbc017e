"""The command ``se-nas``; ``runners/*.py`` are its parts. Heavy imports wait until they are needed.

Bad input is one line on stderr and exit code 2.

search        ``search`` and ``replay``
materialize   ``materialize``
train         ``train`` and ``verify``
evaluate      ``evaluate`` and ``predict``
quantize      ``quantize``
explain       ``explain`` and ``fold``
report        ``report``
detect        ``detect``: Faster R-CNN on COCO
list          ``list``: what there is by name
new           ``new``: a space to start from
doctor        ``doctor``: what this machine has for a search
clean         ``clean``: what searches left outside of their runs
write_model   its files, by their suffix
answer        the answer as JSON, for programs
options       options from the settings of a dataclass
usage         ``--version``, and usage errors in one line
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand

from se_nas.cli import (
    clean,
    detect,
    doctor,
    evaluate,
    explain,
    materialize,
    new,
    quantize,
    report,
    search,
    train,
)
from se_nas.cli import list as list_
from se_nas.cli.options import PanelCommand
from se_nas.cli.usage import UsageError, Version, as_options, line
from se_nas.errors import InputError
from se_nas.streams import GONE, steady_streams
from se_nas.texts import printable

HELP = "Neural architecture search with the Squeeze-and-Excitation block as a primitive."
COMMANDS: dict[str, tuple[Callable[..., None], type[TyperCommand]]] = {
    "search": (search.search, PanelCommand),
    "replay": (search.replay, TyperCommand),
    "train": (train.train, PanelCommand),
    "verify": (train.verify, TyperCommand),
    "evaluate": (evaluate.evaluate, TyperCommand),
    "predict": (evaluate.predict, TyperCommand),
    "explain": (explain.explain, TyperCommand),
    "fold": (explain.fold, TyperCommand),
    "quantize": (quantize.quantize, TyperCommand),
    "detect": (detect.detect, TyperCommand),
    "report": (report.report, TyperCommand),
    "materialize": (materialize.materialize, TyperCommand),
    "list": (list_.list_, TyperCommand),
    "new": (new.new, TyperCommand),
    "doctor": (doctor.doctor, TyperCommand),
    "clean": (clean.clean, TyperCommand),
}


def options(version: Version = False) -> None:
    """Neural architecture search with the Squeeze-and-Excitation block as a primitive."""


def make_program(alone: str | None = None) -> Any:
    """Return the command line, or one of its commands as a program of its own."""
    app = typer.Typer(
        name="se-nas",
        help=HELP,
        add_completion=alone is None,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        callback=options if alone is None else None,
    )
    for name, (function, kind) in COMMANDS.items():
        if alone in (None, name):  # each costs ``--help`` some milliseconds
            app.command(name, cls=kind)(function)
    return typer.main.get_command(app)


def main(arguments: list[str] | None = None, *, alone: str | None = None) -> None:
    """Run the command line and exit.

    Args:
        arguments: those behind the program's name; the process's if not given.
        alone: the one command that the program is, as ``runners/search.py`` is ``search``.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    with steady_streams() as out:
        code = _run(arguments, alone)
        out.flush()
        if out.error is not None and out.error.errno not in GONE and code == 0:
            reason = out.error.strerror or out.error
            typer.echo(f"error: standard output cannot be written: {reason}", err=True)
            code = 2
    sys.exit(code)


def _run(arguments: list[str], alone: str | None) -> int:
    """Run the command line and return its exit code."""
    program = make_program(alone)
    try:
        _check_working_folder()
        code = program(args=arguments, standalone_mode=False)
    except InputError as error:
        message = as_options(str(error))
    except UsageError as error:
        if not arguments:  # then it is the help
            error.show()
            return 2
        message = line(error, arguments)
    else:
        return int(code or 0)
    typer.echo(f"error: {printable(message)}", err=True)
    return 2


def _check_working_folder() -> None:
    """Refuse to run where libraries abort, each with words of its own."""
    try:
        os.getcwd()
    except OSError:
        raise InputError("the working folder is no longer there: cd to one that is") from None
