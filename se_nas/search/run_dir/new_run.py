"""The folder of a new run: made whole, or not left at all."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path

from se_nas.errors import InputError
from se_nas.provenance import versions
from se_nas.search.config import SearchConfig
from se_nas.search.run_dir.directory import DRIVER, SETTINGS, SPACE, VERSIONS, Driver, RunDirectory
from se_nas.space.space import Space
from se_nas.texts import is_utf8


def create(space: Space, config: SearchConfig, driver: str = "") -> RunDirectory:
    """Make the folder of a new run and write its space, settings and versions.

    Args:
        driver: the name of a driver that joins the study of ``config.name``; also its folder's.

    Raises:
        InputError: the folder exists, or cannot be made; or a name is no name of a run.
    """
    now = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    name = config.name or f"{space.name}-{config.data.title}-{now}"
    path = (Path(config.out) / (driver or name)).absolute()
    if not is_utf8(str(path)):  # Ray takes no other
        raise InputError(f"the folder {str(path)!r} is not UTF-8; give another `out`")
    created = tuple(parent for parent in path.parents if not os.path.exists(parent))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if driver or config.name:
            path.mkdir()
        else:  # others of a job array may begin in the same second
            path = _make_first_free(path)
            name = path.name
        run = RunDirectory(path, created)
        run.make_folders()
        run.write(SPACE, json.loads(space.to_json()))
        run.write_settings(replace(config, name=name))
        run.write(VERSIONS, versions())
        if driver:
            run.write(DRIVER, asdict(Driver(driver, joined=True)))
    except FileExistsError:
        if os.path.isdir(path.parent):
            raise InputError(_taken(RunDirectory(path))) from None
        raise InputError(f"`out={config.out!r}` is a file; give a folder") from None
    except InputError:
        RunDirectory(path, created).discard()
        raise
    except OSError as error:
        RunDirectory(path, created).discard()  # a full disk; or parents that were made
        raise InputError(
            f"the folder {str(path)!r} cannot be written: {error.strerror or error}"
        ) from None
    return run


def _make_first_free(path: Path) -> Path:
    """Make a folder of this name, or the first of NAME-2, NAME-3 … that nobody made before."""
    number = 1
    while True:
        free = path if number == 1 else path.with_name(f"{path.name}-{number}")
        try:
            free.mkdir()  # one process alone can, on a shared file system too
            return free
        except FileExistsError:
            number += 1


def _taken(run: RunDirectory) -> str:
    """Return why a new run cannot have this folder, and what to do."""
    head = f"the run {str(run.path)!r} exists already"
    if not (run.path / SETTINGS).is_file():
        return f"{head}; give another `name` or `out`"
    with contextlib.suppress(InputError):
        if run.complete:
            return f"{head} and is complete; give another `name` or `out`"
    return f"{head}; finish it with {run.resume}, or give another `name` or `out`"
