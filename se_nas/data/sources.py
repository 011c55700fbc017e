"""Readers of the known data sets: the official training and test parts, nothing cut yet."""

from __future__ import annotations

import gzip
import pickle
import warnings
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision import datasets
from torchvision.transforms.v2 import functional as v2F

from se_nas.data.image_folder import imagefolder
from se_nas.data.images import RamImages
from se_nas.data.lists import places365, table
from se_nas.data.source import LAYOUTS, Source, data_folder
from se_nas.data.split import stratified_split
from se_nas.errors import InputError


def _likely(data_dir: Path) -> str:
    """Say which data set a folder that digits do not take is likely to be."""
    if not data_dir.is_dir():
        return "there is no such folder, and digits take none: for images of your own give a " + (
            "folder and the data set `imagefolder`"
        )
    signs = {
        "cifar10": "cifar-10-batches-py",
        "cifar100": "cifar-100-python",
        "fashion_mnist": "FashionMNIST",
    }
    names = {path.name for path in data_dir.iterdir()} | {data_dir.name}
    idx = any("-idx" in name for name in names)
    found = [data for data, sign in signs.items() if sign in names or (sign[0] == "F" and idx)]
    return f"digits take no folder: give the data set `{found[0] if found else 'imagefolder'}` too"


def _in_ram(
    num_classes: int,
    train: RamImages,
    test: RamImages,
    image_size: int | None,
    root: Path | None = None,
    files: Sequence[Path] = (),
) -> Source:
    _, channels, height, width = train.images_nchw.shape
    if image_size not in (None, height) or height != width:
        size = [image_size or height] * 2
        train, test = (
            RamImages.of(v2F.resize(part.images_nchw, size), part.labels, part.padding)
            for part in (train, test)
        )
    side = image_size or height
    return Source(num_classes, channels, side, train, test, root=root, files=tuple(map(str, files)))


def digits(data_dir: Path | None, image_size: int | None) -> Source:
    """Read scikit-learn's 1,797 digits of 8 × 8 pixels: needs no folder.

    There is no official test part: a fifth, always the same, is held out. 8 pixels are kept:
    resized to 16 an epoch takes twice the time and reaches the same accuracy.
    """
    from sklearn.datasets import load_digits

    if data_dir is not None:
        raise InputError(f"data_dir is {str(data_dir)!r}; {_likely(data_dir)}")

    found = load_digits()
    images = torch.from_numpy(np.round(found.images * (255 / 16)).astype(np.uint8))[:, None]
    everything = RamImages.of(images, torch.from_numpy(found.target).long())
    held_out, rest = stratified_split(everything.labels, 360, seed=0, what="test part")
    return _in_ram(10, everything.select(rest), everything.select(held_out), image_size)


def fashion_mnist(data_dir: Path | None, image_size: int | None) -> Source:
    """Read Fashion-MNIST's idx files: 60,000 and 10,000 images, 28 × 28 pixels, one channel."""
    folder = data_folder("fashion_mnist", data_dir)
    parts, files = [], []
    for stem in ("train", "t10k"):
        paths = [
            _idx_file(folder, f"{stem}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1")
        ]
        files += paths
        images = _idx(paths[0], dimensions=3)
        labels = _idx(paths[1], dimensions=1).long()
        if len(images) != len(labels):
            raise InputError(f"{stem}: {len(images)} images and {len(labels)} labels in {folder}")
        if len(labels) and int(labels.max()) > 9:
            raise InputError(f"{stem}: label {int(labels.max())} in {folder}; allowed: 0 to 9")
        parts.append(RamImages.of(images[:, None], labels, padding=4))
    return _in_ram(10, parts[0], parts[1], image_size, folder, files)


def _idx_file(folder: Path, name: str) -> Path:
    places = [
        base / f for base in (folder / "FashionMNIST/raw", folder) for f in (name, f"{name}.gz")
    ]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise InputError(
            f"{name} is not in data_dir {str(folder)!r}; expected: {LAYOUTS['fashion_mnist']}"
        )
    return path


def _idx(path: Path, dimensions: int) -> Tensor:
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({error}); get the file again") from None
    magic = bytes((0, 0, 8, dimensions))
    start = 4 + 4 * dimensions
    if content[:4] != magic or len(content) < start:
        raise InputError(f"{path} is not an idx file of {dimensions}-dimensional bytes")
    shape = np.frombuffer(content, ">u4", dimensions, offset=4).astype(int).tolist()
    size = int(np.prod(shape))
    if len(content) - start != size:
        raise InputError(
            f"{path} has {len(content) - start} bytes of data, its header says {size}; "
            "get the file again"
        )
    values = np.frombuffer(content, np.uint8, offset=start).reshape(shape)
    return torch.from_numpy(values.copy())


def cifar10(data_dir: Path | None, image_size: int | None) -> Source:
    """Read CIFAR-10's Python batches: 50,000 and 10,000 images of 3 × 32 × 32."""
    return _cifar("cifar10", datasets.CIFAR10, 10, data_dir, image_size)


def cifar100(data_dir: Path | None, image_size: int | None) -> Source:
    """Read CIFAR-100's Python batches with its 100 fine classes; otherwise as CIFAR-10."""
    return _cifar("cifar100", datasets.CIFAR100, 100, data_dir, image_size)


def _cifar(
    name: str, reader: Any, num_classes: int, data_dir: Path | None, image_size: int | None
) -> Source:
    folder = data_folder(name, data_dir)
    batches = folder if folder.name == reader.base_folder else folder / reader.base_folder
    meta = (reader.meta["filename"], reader.meta["md5"])
    listed = (*reader.train_list, *reader.test_list, meta)
    for file, md5 in listed:
        if not (batches / file).is_file():
            raise InputError(f"{batches / file} is missing; expected: {LAYOUTS[name]}")
        if not datasets.utils.check_integrity(str(batches / file), md5):
            raise InputError(f"{batches / file} is damaged (MD5 is not {md5}); get the file again")
    parts = []
    for train in (True, False):
        try:
            with warnings.catch_warnings():
                # The files' pickles are of 2009; NumPy 2.4 warns of how they write a dtype.
                warnings.filterwarnings("ignore", message=r"dtype\(\): align should be passed")
                found = reader(str(batches.parent), train=train, download=False)
        except (pickle.UnpicklingError, EOFError, KeyError, ValueError) as error:
            raise InputError(f"{batches} cannot be read ({error}); get the files again") from None
        images = torch.from_numpy(np.ascontiguousarray(found.data.transpose(0, 3, 1, 2)))
        parts.append(RamImages.of(images, torch.tensor(found.targets), padding=4))
    files = [batches / file for file, _ in listed]
    return _in_ram(num_classes, parts[0], parts[1], image_size, batches, files)


# Every known data set: from (data_dir, image_size) to its official parts.
DATASETS: dict[str, Callable[[Path | None, int | None], Source]] = {
    "digits": digits,
    "fashion_mnist": fashion_mnist,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "imagefolder": imagefolder,
    "table": table,
    "places365": places365,
}
