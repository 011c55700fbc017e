"""A user's own data sets: from ``torch.utils.data.Dataset`` objects, or from a file with them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset, Subset

from se_nas.data.data_set import Data, ImageShape
from se_nas.data.dataset_images import DatasetImages, shape_text, to_image
from se_nas.data.images import Statistics
from se_nas.data.labels import check_labels, count_classes, read_labels, spread
from se_nas.data.sources import DATASETS
from se_nas.data.split import stratified_split
from se_nas.errors import InputError
from se_nas.texts import written
from se_nas.user_files import errors_of_file, read_python_file
from se_nas.values import as_python, sequence, whole

DEFAULT_SHARE = 0.2
NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,99}"


def from_datasets(
    train: Any,
    val: Any = DEFAULT_SHARE,
    test: Any = DEFAULT_SHARE,
    *,
    classes: Sequence[str] | None = None,
    unaugmented: Any = None,
    name: str = "own",
    seed: int = 0,
    workers: int = 0,
) -> Data:
    """Make the data of a search from map-style data sets of (image, label).

    An image is a tensor (C, H, W) of any number of channels, an array (H, W) or (H, W, C), or a
    PIL image, square and of one size; bytes become [0, 1], floating point stays as it is. Your
    transforms run at each access; nothing is normalised on top (``statistics`` are mean 0 and
    deviation 1). Labels are whole numbers from 0. They are taken from ``targets``, ``labels`` or
    ``tensors``, as torchvision's and PyTorch's data sets have them; else all items are read once.

    Args:
        train: what is trained on.
        val: a data set, or the share of ``train`` that is cut for validation, in (0, 1).
        test: the same for the test images, which the chosen networks alone are tested on.
        classes: names in the order of the labels; ``train.classes`` if it has them.
        unaugmented: the items of ``train`` without random transforms: what is cut is taken from
            here, so that validation is not augmented.
        name: of the data set, for the run's name.
        seed: of the cut. Runs that are to be compared need the same.
        workers: processes that read items for one trial, where reading takes long.

    Raises:
        InputError: something of this is not so.

    >>> from torch.utils.data import TensorDataset
    >>> images, labels = torch.rand(60, 5, 16, 16), torch.arange(60) % 3
    >>> from_datasets(TensorDataset(images, labels), classes=["a", "b", "c"]).summary()
    'own: 3 classes, 5×16×16, 36 train, 12 val, 12 test (val and test cut from train)'
    """
    seed, workers = whole("seed", seed, 0, 2**32 - 1), whole("workers", workers, 0, 1024)
    if not isinstance(name, str) or not re.fullmatch(NAME, name) or name.endswith(".py"):
        raise InputError(
            f"name is {written(name)}; use letters, digits, . _ and -, and no file's name"
        )
    if name in DATASETS:
        raise InputError(f"name is {name!r}, which is a data set of SE-NAS; give another one")
    val, test = as_python(val), as_python(test)
    given = {"train": train, "val": val, "test": test, "unaugmented": unaugmented}
    full = {part: d for part, d in given.items() if d is not None and not _is_share(part, d)}
    for part, dataset in full.items():
        _check_map_style(part, dataset)
    shape = _shape("train", train)
    names = _class_names(train, classes)
    labels = {part: read_labels(part, full[part]) for part in full if part != "unaugmented"}
    num_classes = count_classes(labels["train"], names)
    for part, found in labels.items():
        check_labels(part, found, num_classes)
    images = {
        part: DatasetImages(full[part], y, torch.arange(len(y)), shape, num_classes, part, workers)
        for part, y in labels.items()
    }
    for part in images:
        _look_at(images[part])
    cut = [part for part in ("val", "test") if part not in full]
    if cut:
        shares = {part: given[part] for part in cut}
        images |= _cut(images["train"], shares, unaugmented, seed)
    return Data(
        images["train"],
        images["val"],
        images["test"],
        Statistics((0.0,) * shape[0], (1.0,) * shape[0]),
        f"{' and '.join(cut)} cut from train" if cut else "",
        name=name,
        num_classes=num_classes,
        in_channels=shape[0],
        image_size=shape[1],
        classes=names,
    )


def load_data_file(path: str | Path) -> ImageShape:
    """Read the data set that a Python file defines: ``DATA``, or what its ``load_data()`` returns.

    It is what ``from_datasets`` gives, or an ``ImageShape`` for a training with its own images.

    Raises:
        InputError: there is no such file, an error in it, or it defines neither.
    """
    path = Path(path)
    values = read_python_file(path, "data")
    data = values.get("DATA")
    if data is None and callable(values.get("load_data")):
        with errors_of_file(path, "data"):
            data = values["load_data"]()
    if isinstance(data, ImageShape):
        return data
    found = "neither" if data is None else f"a {type(data).__name__}"
    raise InputError(
        f"data file {str(path)!r}: DATA, or what load_data() returns, is to be what "
        f"se_nas.data.from_datasets(…) gives, or an ImageShape; there is {found}"
    )


def _is_share(part: str, value: Any) -> bool:
    if part not in ("val", "test") or not isinstance(value, (int, float)):
        return False
    if isinstance(value, bool) or not 0 < value < 1:
        raise InputError(
            f"{part} is {written(value)}; give a data set, or a share of train in (0, 1)"
        )
    return True


def _check_map_style(part: str, dataset: Any) -> None:
    kind = type(dataset).__name__
    if isinstance(dataset, DataLoader):
        raise InputError(f"{part} is a DataLoader; give its data set: loader.dataset")
    if isinstance(dataset, IterableDataset):
        raise InputError(
            f"{part} is {kind}, an IterableDataset; a search cuts and shuffles: give a map-style "
            "data set, with __getitem__ and __len__"
        )
    if (
        isinstance(dataset, (Mapping, str, bytes))
        or not hasattr(dataset, "__getitem__")
        or not hasattr(dataset, "__len__")
    ):
        raise InputError(f"{part} is {kind}; give a data set with __getitem__ and __len__")
    if len(dataset) == 0:
        raise InputError(f"{part} is an empty {kind}; give one with images")


def _shape(part: str, dataset: Any) -> tuple[int, int, int]:
    try:
        channels, height, width = to_image(dataset[0]).shape
    except InputError as error:
        raise InputError(f"{part}[0] {error}") from None
    if height != width:
        raise InputError(
            f"{part}[0] is {shape_text((channels, height, width))}; give square images, by a "
            "transform that resizes or crops them"
        )
    return channels, height, width


def _class_names(dataset: Any, given: Sequence[str] | None) -> tuple[str, ...]:
    while given is None and isinstance(dataset, Subset):
        dataset = dataset.dataset
    names = getattr(dataset, "classes", ()) if given is None else given
    return tuple(map(str, sequence("classes", names)))


def _look_at(images: DatasetImages) -> None:
    """Check some items before anything trains; the others are checked at each access."""
    for i in spread(len(images)):
        images[i]


def _cut(
    train: DatasetImages, shares: dict[str, float], unaugmented: Any, seed: int
) -> dict[str, DatasetImages]:
    """Stratified parts of ``train`` and what is left of it."""
    source = train
    if unaugmented is not None:
        if len(unaugmented) != len(train):
            raise InputError(
                f"unaugmented has {len(unaugmented)} items, train {len(train)}; give the same ones"
            )
        source = DatasetImages(
            unaugmented,
            train.labels,
            train.indices,
            train.shape,
            train.num_classes,
            "unaugmented",
            train.default_workers,
        )
        _look_at(source)
    images: dict[str, DatasetImages] = {}
    rest = torch.arange(len(train))
    for part, share in shares.items():
        count = round(share * len(train))
        what = {"val": "validation part", "test": "test part"}[part]
        drawn, left = stratified_split(train.labels[rest], count, seed, what)
        images[part] = source.select(rest[drawn])
        rest = rest[left]
    return images | {"train": train.select(rest)}
