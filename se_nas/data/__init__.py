"""Data sets by name: training, validation and test images.

Validation is cut from the training part; the test part is the official one and is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from se_nas.data.images import FolderImages, Images, RamImages, Statistics
from se_nas.data.loaders import eval_loader, train_loader
from se_nas.data.sources import DATASETS, Source
from se_nas.data.split import stratified_split
from se_nas.errors import InputError, unknown, whole

__all__ = [
    "DATASETS",
    "Data",
    "FolderImages",
    "Images",
    "RamImages",
    "eval_loader",
    "load",
    "train_loader",
]

DEFAULT_VAL_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Data:
    """A data set, ready to train on.

    Attributes:
        name: its name in ``DATASETS``.
        num_classes: classes of the head.
        in_channels, image_size: an image is (in_channels, image_size, image_size).
        train: training images, augmented where the set wants it.
        val: validation images, by which a search compares networks.
        test: the official test part, for the chosen networks only.
        statistics: mean and standard deviation by channel, with which images are normalised.
        classes: names in the order of the labels, where the data set has names.
    """

    name: str
    num_classes: int
    in_channels: int
    image_size: int
    train: Images
    val: Images
    test: Images
    statistics: Statistics
    classes: tuple[str, ...] = ()

    def preprocessing(self) -> dict[str, Any]:
        """Describe as JSON values what a network trained on this data expects of an image.

        Pixels in [0, 1], resized to ``image_size``, minus ``mean`` and over ``std`` by channel.
        """
        mean, std = self.statistics
        return {
            "image_size": self.image_size,
            "mean": list(mean),
            "std": list(std),
            "classes": list(self.classes),
        }

    def summary(self) -> str:
        """Write one line: classes, shape, images of each part."""
        size = f"{self.in_channels}×{self.image_size}×{self.image_size}"
        return (
            f"{self.name}: {self.num_classes} classes, {size}, "
            f"{len(self.train)} train, {len(self.val)} val, {len(self.test)} test"
        )


def load(
    name: str,
    data_dir: str | Path | None = None,
    *,
    seed: int = 0,
    val_share: float | None = None,
    val_images: int | None = None,
    image_size: int | None = None,
    limit_train: int | None = None,
) -> Data:
    """Read a data set and cut the validation part, stratified by class, from its training part.

    Args:
        name: one of ``DATASETS``.
        data_dir: the folder with the files; digits come with scikit-learn and do without.
        seed: of the cut. Runs that are to be compared need the same; how a network is trained
            has seeds of its own.
        val_share: part of the training images for validation, in (0, 1); 0.2 if neither this nor
            ``val_images`` is given.
        val_images: the same as a number of images.
        image_size: pixels of a side; the images' own if not given, 224 for imagefolder.
        limit_train: train on at most so many images, stratified; validation stays as it is.

    Raises:
        InputError: an unknown name; files that are missing, damaged or not of the expected
            layout; fewer than two classes, or fewer images than classes; a cut that cannot be made.

    >>> load("digits").summary()
    'digits: 10 classes, 1×8×8, 1150 train, 287 val, 360 test'
    """
    if name not in DATASETS:
        raise unknown("data set", name, DATASETS)
    seed = whole("seed", seed, 0, 2**32 - 1)
    if image_size is not None:
        image_size = whole("image_size", image_size, 4, 4096)
    source = DATASETS[name](None if data_dir is None else Path(data_dir), image_size)
    _check_classes(name, source)
    train_part, val_part = _cut(source, seed, val_share, val_images)
    if limit_train is not None:
        limit_train = whole("limit_train", limit_train, source.num_classes)
        if limit_train < len(train_part):
            kept, _ = stratified_split(train_part.labels, limit_train, seed, "limited part", keep=0)
            train_part = train_part.select(kept)
    statistics = train_part.statistics()
    return Data(
        name,
        source.num_classes,
        source.in_channels,
        source.image_size,
        train_part.prepared(statistics, augment=True),
        val_part.prepared(statistics, augment=False),
        source.test.prepared(statistics, augment=False),
        statistics,
        source.classes,
    )


def _check_classes(name: str, source: Source) -> None:
    labels: Tensor = source.train.labels
    if len(labels) < source.num_classes or len(source.test) == 0:
        raise InputError(
            f"{name} has {len(labels)} training images and {len(source.test)} test images; "
            f"{source.num_classes} classes need at least as many to train and one to test"
        )
    if int(labels.min()) == int(labels.max()):
        raise InputError(f"{name} has one class only ({int(labels[0])}); at least 2 are needed")


def _cut(
    source: Source, seed: int, val_share: float | None, val_images: int | None
) -> tuple[Images, Images]:
    if val_share is not None and val_images is not None:
        raise InputError(
            f"val_share is {val_share!r} and val_images is {val_images!r}; give only one of them"
        )
    if source.val is not None:
        if val_share is not None or val_images is not None:
            field, value = (
                ("val_images", val_images) if val_share is None else ("val_share", val_share)
            )
            raise InputError(f"{field} is {value!r}; this folder has its own val/ beside test/")
        return source.train, source.val
    if val_images is not None:
        count = whole("val_images", val_images, 1)
    else:
        share = DEFAULT_VAL_SHARE if val_share is None else val_share
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
            raise InputError(f"val_share is {val_share!r}; give a number between 0 and 1")
        count = round(share * len(source.train))
    drawn, rest = stratified_split(source.train.labels, count, seed, "validation part")
    return source.train.select(rest), source.train.select(drawn)
