"""``Source``: a data set as its reader gives it, nothing cut yet."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from se_nas.data.images import StoredImages
from se_nas.errors import InputError

LAYOUTS = {
    "fashion_mnist": "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
    "t10k-labels-idx1-ubyte, each also as .gz, in the folder or in FashionMNIST/raw/",
    "cifar10": "the folder cifar-10-batches-py of cifar-10-python.tar.gz",
    "cifar100": "the folder cifar-100-python of cifar-100-python.tar.gz",
    "imagefolder": "train/CLASS/*.png and val/CLASS/*.png or test/CLASS/*.png (or .jpg, .webp, …)",
    "table": "a .csv or .parquet file with the columns path, label and, perhaps, split (train, val "
    "or test)",
    "places365": "categories_places365.txt, places365_train_standard.txt, places365_val.txt, and "
    "data_256_standard/ and val_256/, or data_large_standard/ and val_large/",
}


@dataclass(frozen=True, eq=False)
class Source:
    """The official parts of a data set; ``val`` only where the data set itself has all three.

    Attributes:
        classes: names in the order of the labels, where the data set has names.
        root, files: the files that it was read from, and the folder that they are in.
        note: what a reader has to know of it.
    """

    num_classes: int
    in_channels: int
    image_size: int
    train: StoredImages
    test: StoredImages
    val: StoredImages | None = None
    classes: tuple[str, ...] = ()
    root: Path | None = None
    files: tuple[str, ...] = ()
    note: str = ""


def data_folder(name: str, data_dir: Path | None) -> Path:
    layout = f"; expected: {LAYOUTS[name]}"
    if data_dir is None:
        raise InputError(f"data_dir is not given and {name} needs it{layout}")
    if not os.path.isdir(data_dir):
        raise InputError(f"data_dir {str(data_dir)!r} is not a folder{layout}")
    if not any(data_dir.iterdir()):
        raise InputError(f"data_dir {str(data_dir)!r} is empty{layout}")
    return data_dir
