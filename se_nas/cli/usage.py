"""Shared by the commands: ``--version``, and usage errors in one line."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Annotated, Any, get_type_hints

import typer

from se_nas.errors import unknown
from se_nas.search.config import SearchConfig
from se_nas.settings import settings_of
from se_nas.texts import one_line

# Of click, or of the copy that newer versions of typer have inside; neither way typer exports it.
UsageError: type[Any] = typer.BadParameter.__bases__[0]


def _version(wanted: bool) -> None:
    if wanted:
        from se_nas import __version__

        typer.echo(f"se-nas {__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
]


def line(error: Any, arguments: Sequence[str]) -> str:
    """Write a usage error in the words of the other errors: field, value, what is allowed.

    Args:
        error: a ``UsageError``.
        arguments: those of the command line.
    """
    context, parameter = error.ctx, getattr(error, "param", None)
    command = None if context is None else context.command
    if hasattr(error, "possibilities") and command is not None:
        options = [name for p in command.params for name in _options(p)]
        return str(unknown("option", error.option_name, [*options, "--help"]))
    if parameter is not None and command is not None:
        name = next(iter(_options(parameter)), parameter.name.upper())
        value = _given(_options(parameter), arguments)
        if value is not None:
            kind = _kind(command.callback, parameter.name)
            return one_line(f"{name} is {value!r}; give a {kind}")
        return f"{name} is missing: {parameter.help}"
    words = [word for word in arguments if not word.startswith("-")]
    commands = getattr(command, "commands", None)
    if commands and words:
        return str(unknown("command", words[0], commands))
    text = one_line(error.format_message()).rstrip(".")
    see = "" if context is None else f"; see {context.command_path} --help"
    return text[:1].lower() + text[1:] + see


def as_options(message: str) -> str:
    """Write settings as options: the library, which knows none, has them between backticks.

    >>> as_options("lower `cpus_per_trial`, or use `gpus=0`; see `ray start`")
    'lower --cpus-per-trial, or use --gpus 0; see `ray start`'
    >>> print(as_options("go on with `resume='exp [old]/r'`"))
    go on with --resume 'exp [old]/r'
    """
    names = {*settings_of(SearchConfig), "resume"}

    def option(found: re.Match[str]) -> str:
        name, value = found["name"], found["value"]
        if name not in names:
            return found[0]
        return f"--{name.replace('_', '-')}" + ("" if value is None else f" {_word(value)}")

    return re.sub(r"`(?P<name>[a-z_]+)(=(?P<value>[^`]*))?`", option, message)


def _word(value: str) -> str:
    """Return a value, a text as Python writes it, as a word for a shell."""
    try:
        text = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
    from se_nas.console import shell_word  # Rich is for what is printed, and late

    return shell_word(text) if isinstance(text, str) else value


def _options(parameter: Any) -> list[str]:
    names = [*parameter.opts, *parameter.secondary_opts]
    return [name for name in names if name.startswith("-")]


def _given(options: Sequence[str], arguments: Sequence[str]) -> str | None:
    """Return the value given for the last of ``options``, which the error does not keep."""
    for i in reversed(range(len(arguments))):
        name, equals, value = arguments[i].partition("=")
        if name in options:
            return value if equals else " ".join(arguments[i + 1 : i + 2])
    return None


def _kind(command: Any, parameter: str) -> str:
    hint = str(get_type_hints(command)[parameter])
    return "whole number" if "int" in hint else "number" if "float" in hint else "value"
