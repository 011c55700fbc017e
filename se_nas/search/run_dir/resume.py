"""Resumption of a run: its space and settings from its folder, and the changes allowed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from se_nas.errors import InputError
from se_nas.provenance import versions
from se_nas.search.config import HIDDEN, SearchConfig
from se_nas.search.run_dir.compatibility import (
    APART,
    MAY_CHANGE,
    _plain,
    check_settings,
    check_space,
)
from se_nas.search.run_dir.directory import SETTINGS, SPACE, VERSIONS, RunDirectory
from se_nas.search.run_dir.lock import is_held
from se_nas.settings import by_option, with_options
from se_nas.space.space import Space

# Settings that a complete run goes on for.
MORE = ("hours", "trials", "top", "final_seeds", "final_epochs", "final_runs")


def read_space(run: RunDirectory, given: Space | None) -> Space:
    """Return the run's space.

    Raises:
        InputError: another one is given, or this version reads the file as another one.
    """
    written = run.read(SPACE)
    with run.reading(SPACE):
        space = Space.from_json(run.read_text(SPACE))
    for other, whose in ((space, "as this version reads it"), (given, "as it is given")):
        if other is None:
            continue
        check_space(written, other, f"{other.name!r} {whose}", f"the run {run.shown}")
    return space


def resumed_config(run: RunDirectory, asked: SearchConfig, named: Collection[str]) -> SearchConfig:
    """Return the run's settings with the changes that are asked for.

    Args:
        asked: the settings of the command line.
        named: its options that the user wrote, by their names there (``data_dir``).

    Raises:
        InputError: an option differs that cannot change.
    """
    stored = _without_unused_folder(run.settings())
    changes = check_settings(stored, asked, named, f"the run {run.shown}")
    config = with_options(stored, changes)
    if config.storage is not None and HIDDEN in config.storage:
        raise InputError(
            f"the storage of the run {run.shown} needs its password, which is not kept: give "
            f"`storage={config.storage!r}`"
        )
    return config


def is_done(run: RunDirectory, config: SearchConfig) -> bool:
    """Return whether a run is complete and these settings ask for nothing more."""
    stored = _without_unused_folder(run.settings())
    return run.complete and all(getattr(config, name) == getattr(stored, name) for name in MORE)


def _without_unused_folder(stored: SearchConfig) -> SearchConfig:
    """Return settings without a data folder that earlier versions took and never read."""
    if stored.data.name == "digits" or stored.data.name.endswith(".py"):
        return replace(stored, data=replace(stored.data, data_dir=None))
    return stored


def find_interrupted(space: Space, config: SearchConfig) -> RunDirectory | None:
    """Return the newest run with this space and these settings that was cut; None without one."""
    files = Path(config.out).glob(f"*/{SETTINGS}")
    for file in sorted(files, key=lambda file: file.stat().st_mtime, reverse=True):
        run = RunDirectory(file.parent)
        try:
            same = run.read(SPACE) == _plain(space) and _fixed(run.settings()) == _fixed(config)
            complete = run.complete
        except (InputError, TypeError):  # of another version
            continue
        if same and not complete and not run.failed and not is_held(run):
            return run
    return None


def _fixed(config: SearchConfig) -> dict[str, Any]:
    fixed = {name: v for name, v in by_option(config).items() if name not in MAY_CHANGE | APART}
    return fixed | {"processes": config.processes}


def resume_notes(run: RunDirectory) -> list[str]:
    """Return notes on a run that is taken up: versions that changed."""
    last, now = _last_session(run), versions()
    return [
        f"{name} was {last.get(name, 'unknown')} and is {value}"
        for name, value in now.items()
        if last.get(name) != value
    ]


def note_session(run: RunDirectory, config: SearchConfig) -> None:
    """Write the settings and the versions that hold from now on."""
    began = run.read(VERSIONS)
    when = datetime.now(timezone.utc).isoformat(timespec="seconds")
    sessions = [*began.get("resumed", []), {"at": when, **versions()}]
    run.write(VERSIONS, began | {"resumed": sessions})
    run.write_settings(config)


def _last_session(run: RunDirectory) -> dict[str, Any]:
    began = run.read(VERSIONS)
    with run.reading(VERSIONS):
        sessions: list[Any] = list(began.get("resumed", []))
        return began | (sessions[-1] if sessions else {})
