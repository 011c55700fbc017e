"""The images of a trial, as a worker reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from se_nas import data
from se_nas.errors import InputError
from se_nas.search.config import DataSettings
from se_nas.search.worker.shared_data import SharedData


def load_data(
    settings: DataSettings,
    seed: int,
    check_pictures: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> data.ImageShape:
    """Return the images that the settings name; of a user's file perhaps only their shape.

    Args:
        check_pictures, progress: as of ``se_nas.data.load``.

    Raises:
        InputError: they were given as a Python object; or what ``se_nas.data.load`` raises.
    """
    if settings.is_object:
        raise InputError(
            f"data {settings.title!r} was given as a Python object; it is to be given again, as "
            "data="
        )
    values = asdict(settings)
    if settings.name.endswith(".py"):
        given = {name: values[name] for name in ("data_dir", "val_images", "image_size")}
        given["skip_corrupt"] = settings.skip_corrupt or None
        return data.load_own(Path(settings.name), given, settings.limit_train, seed)
    return data.load(**values, seed=seed, check_pictures=check_pictures, progress=progress)


def worker_data(settings: DataSettings, seed: int, shared: SharedData | None) -> data.ImageShape:
    """Return the images that the driver shares, else those that the settings name."""
    found = None if shared is None else shared.data()
    return load_data(settings, seed) if found is None else found


def loader_workers(images: data.Data, threads: int) -> int:
    """Return how many processes decode image files for a trial: its share of the CPUs at most."""
    return min(images.train.default_workers, threads)
