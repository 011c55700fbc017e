"""``DataSettings``: the images that a search trains on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from se_nas.checked_settings import CheckedSettings
from se_nas.settings import absolute_if_python, absolute_path, setting

OBJECT = "object:"
# Data sets of single picture files, which have no size of their own.
PICTURE_FILES = ("imagefolder", "table", "places365")


def object_name(name: str, fingerprint: str) -> str:
    """Return the setting that stands for a Python object: no data set is loaded by that name.

    >>> DataSettings(object_name("pets", "1f00ab")).title
    'pets'
    """
    return f"{OBJECT}{name}@{fingerprint}"


@dataclass(frozen=True)
class DataSettings(CheckedSettings):
    """The images that a trial trains on: arguments of ``se_nas.data.load``."""

    # Or ``object_name`` of a data set that was given as a Python object.
    name: str = setting(
        "digits",
        "digits, fashion_mnist, cifar10, cifar100, imagefolder, table (a CSV or Parquet file), "
        "places365, or your own FILE.py.",
        "data",
        option="data",
        convert=absolute_if_python,
    )
    data_dir: str | None = setting(
        None,
        "Folder with the data's files, or the file of a table; digits need none.",
        "data",
        "may change",
        convert=absolute_path,
    )
    image_size: int | None = setting(
        None, "Side of the images in pixels [default: the data set's].", "data"
    )
    val_images: int | None = setting(
        None, "Images cut from train for validation [default: a fifth].", "data"
    )
    limit_train: int | None = setting(None, "Train on so many images only [default: all].", "data")
    skip_corrupt: bool = setting(
        False, "Leave out pictures of a folder that cannot be read.", "data"
    )

    @property
    def is_object(self) -> bool:
        """Whether the data set was given as a Python object, which has to be given again."""
        return self.name.startswith(OBJECT)

    @property
    def title(self) -> str:
        """A short name, fit for a run's name: of a path its last part."""
        name = self.name
        if self.is_object:
            name = name.removeprefix(OBJECT).rpartition("@")[0]
        elif name.endswith(".py"):
            name = Path(name).stem
        return re.sub(r"[^A-Za-z0-9._-]+", "-", name)
