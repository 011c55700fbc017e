"""The options of a command, made from the settings of a dataclass, and their help in panels."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperCommand

from se_nas.errors import InputError
from se_nas.files import expand_home
from se_nas.settings import LONGEST_TEXT, PANELS, Setting, settings_of
from se_nas.texts import written


class PanelCommand(TyperCommand):
    """A command whose help has its options under the headings that they name."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options; those without a heading come last."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                panel = getattr(parameter, "rich_help_panel", None) or "Options"
                panels.setdefault(panel, []).append(record)
        for panel, records in panels.items():
            with formatter.section(panel):
                formatter.write_dl(records)


def add_settings(command: Callable[..., Any], kind: type[Any]) -> None:
    """Give a command an option for each setting of ``kind``, before its own.

    Args:
        command: one that takes the settings as ``**settings``; Typer reads its signature.
    """
    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    parameters = sorted([*options(kind), *own], key=lambda p: p.kind)
    changed: Any = command
    changed.__signature__ = signature.replace(parameters=parameters)
    changed.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}


def named_options(context: typer.Context) -> list[str]:
    """Return the options that the user wrote."""
    source = context.get_parameter_source
    return [name for name in context.params if getattr(source(name), "name", "") == "COMMANDLINE"]


def check_paths(**given: str | None) -> None:
    """Refuse paths that cannot be meant, by the names of their options, before anything is read.

    Raises:
        InputError: one is empty, too long, or a folder to read that is not there.
    """
    for name, path in given.items():
        if path is None:
            continue
        if not 0 < len(path) <= LONGEST_TEXT or "\0" in path:
            raise InputError(
                f"{name} is {written(path)}; give a path of 1 to {LONGEST_TEXT} characters, "
                "without NUL, or leave it out"
            )
        place = expand_home(path)
        if name == "data_dir" and not (os.path.isdir(place) or os.path.isfile(place)):
            raise InputError(f"data_dir {written(path)} is not a folder, nor the file of a table")


def options(kind: type[Any]) -> Iterator[inspect.Parameter]:
    """Return a parameter of a command for each setting, in the order of their panels."""
    table = settings_of(kind).values()
    for setting in sorted(table, key=lambda setting: PANELS.index(setting.panel)):
        yield inspect.Parameter(
            setting.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None if setting.kind is tuple else setting.default,
            annotation=_annotation(setting),
        )


def _annotation(setting: Setting) -> Any:
    kind: Any = list[str] if setting.kind is tuple else setting.kind
    info = typer.Option(
        help=setting.help,
        rich_help_panel=setting.panel.capitalize(),
        metavar="<str>" if setting.kind is tuple else None,
    )
    return Annotated[Optional[kind], info]  # noqa: UP045 - a union is made at run time
