"""``DataSettings``: the images that a search trains on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from se_nas.settings import absolute_if_python, absolute_path, setting


@dataclass(frozen=True)
class DataSettings:
    """The images that a trial trains on: arguments of ``se_nas.data.load``."""

    # Any other name is of a data set that was given as a Python object.
    name: str = setting(
        "digits",
        "digits, fashion_mnist, cifar10, cifar100, imagefolder, or your own FILE.py.",
        "data",
        option="data",
        convert=absolute_if_python,
    )
    data_dir: str | None = setting(
        None,
        "Folder with the data's files; digits need none.",
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

    @property
    def title(self) -> str:
        """A short name, fit for a run's name: of a path its last part."""
        name = Path(self.name).stem if self.name.endswith(".py") else self.name
        return re.sub(r"[^A-Za-z0-9._-]+", "-", name)
