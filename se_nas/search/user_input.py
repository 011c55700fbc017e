"""A Python caller's arguments, as settings by name and as objects that have no text."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import IO, Any, cast

from rich.console import Console

from se_nas.console import make_console
from se_nas.data import DATASETS, ImageShape
from se_nas.errors import InputError
from se_nas.files import expand_home
from se_nas.search.config import object_name
from se_nas.search.worker.shared_data import UserObjects
from se_nas.space.space import Space
from se_nas.space.space_files import load_space
from se_nas.streams import SteadyStream, note_if_lost

# Settings of a data set that is loaded by its name.
LOADED = ("data_dir", "image_size", "val_images", "limit_train", "skip_corrupt")


def user_options(
    space: object, data: object, train: object, settings: Mapping[str, Any]
) -> tuple[dict[str, Any], UserObjects]:
    """Return the arguments as settings by name, where objects have names, and the objects.

    Raises:
        InputError: a kind of value that is not allowed, or a setting that an object decides.
    """
    options = dict(settings)
    if isinstance(space, (str, os.PathLike)):
        options["space"] = os.fspath(space)
    if isinstance(data, ImageShape):
        for name in LOADED:
            if options.get(name) is not None:
                raise InputError(f"{name} is {options[name]!r}; the data set decides that itself")
        options["data"] = object_name(data.name, data.fingerprint())
    elif isinstance(data, (str, os.PathLike)):
        options |= _named_data(os.fspath(data), isinstance(data, os.PathLike))
    elif data is not None:
        raise InputError(
            f"data is a {type(data).__name__}; give a name, a path, or "
            "se_nas.data.from_datasets(train, …)"
        )
    if isinstance(train, (str, os.PathLike)):
        options["train"] = os.fspath(train)
    elif callable(train):
        options["train"] = getattr(train, "__qualname__", type(train).__name__)
    elif train is not None:
        raise InputError(
            f"train is a {type(train).__name__}; give a function train(architecture, report, "
            "resources), or a path to a file with one"
        )
    own_data = data if isinstance(data, ImageShape) else None
    own_train = train if callable(train) else None
    return options, UserObjects(own_data, own_train)


def read_space(space: object) -> Space | None:
    """Return the space that is given as a value, a name or a path; None if none is.

    Raises:
        InputError: there is no such space, or it is something else.
    """
    if space is None or isinstance(space, Space):
        return space
    if isinstance(space, (str, os.PathLike)):
        return load_space(os.fspath(space))
    raise InputError(f"space is a {type(space).__name__}; give a Space, a name or a path")


def console_for(progress: bool) -> Console:
    """Return the console of a search; without ``progress`` one that prints nothing.

    A search goes on for hours: it does not end with the screen.
    """
    if progress:
        told = note_if_lost("the search goes on, and its results go into the run's folder")
        return make_console(cast(IO[str], SteadyStream("stdout", told)))
    return make_console(io.StringIO(), quiet=True)


def _named_data(data: str, is_path: bool) -> dict[str, str]:
    """Return the settings that stand for a folder of images or a table, or for a name or a file."""
    if data.endswith((".csv", ".parquet")):
        return {"data": "table", "data_dir": data}
    if (data in DATASETS and not is_path) or not os.path.isdir(expand_home(data)):
        return {"data": data}
    return {"data": "imagefolder", "data_dir": data}
