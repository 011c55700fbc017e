"""Data sets by name: training, validation and test images.

Validation is cut from the training part; the test part is the official one and is left alone.

sources          readers of the known data sets
image_folder     the reader of a folder of classes
lists            readers of lists of pictures
source           what a reader gives
user_data        a user's own data sets
data_set         a data set as a value
content_hash     a hash of what is in one
preprocessing    how a picture becomes an input, as a value
images           images by index, in RAM or in files
augmentation     what else is done to training images
decoded          pictures' pixels, kept for all processes of a machine
pictures         picture files of all kinds, as RGB
folders          folders of classes, without litter
picture_check    a look at every picture
dataset_images   images of a ``torch.utils.data.Dataset``
labels           labels of such a dataset
split            stratified splits
loaders          loaders in a reproducible order
shared_memory    how their processes pass batches on
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

from torch import Tensor

from se_nas.data.data_set import Data, Images, ImageShape
from se_nas.data.dataset_images import DatasetImages
from se_nas.data.decoded import fits
from se_nas.data.image_folder import decoded_once, without_pictures
from se_nas.data.images import FolderImages, RamImages, StoredImages
from se_nas.data.loaders import eval_loader, train_loader
from se_nas.data.picture_check import (
    Progress,
    UnreadablePictures,
    stat_files,
    unreadable_pictures,
)
from se_nas.data.preprocessing import Preprocessing
from se_nas.data.source import Source
from se_nas.data.sources import DATASETS
from se_nas.data.split import stratified_split
from se_nas.data.user_data import DEFAULT_SHARE, from_datasets, load_data_file
from se_nas.errors import InputError, unknown
from se_nas.files import expand_home
from se_nas.texts import written
from se_nas.values import as_python, is_number, whole

__all__ = [
    "DATASETS",
    "Data",
    "DatasetImages",
    "FolderImages",
    "ImageShape",
    "Images",
    "Preprocessing",
    "RamImages",
    "UnreadablePictures",
    "eval_loader",
    "from_datasets",
    "load",
    "load_data_file",
    "train_loader",
]

OWN = ", or a path to your own FILE.py; what was given as a Python object is to be given again"
AnyImages = TypeVar("AnyImages", bound=Images)


def load(
    name: str,
    data_dir: str | Path | None = None,
    *,
    seed: int = 0,
    val_share: float | None = None,
    val_images: int | None = None,
    image_size: int | None = None,
    limit_train: int | None = None,
    skip_corrupt: bool = False,
    check_pictures: bool = False,
    progress: Progress | None = None,
) -> Data:
    """Read a data set and cut the validation part, stratified by class, from its training part.

    Args:
        name: one of ``DATASETS``, or a Python file that ``load_data_file`` reads.
        data_dir: the folder with the files, or the file of a table; digits come with scikit-learn
            and take none, a Python file says itself where its images are.
        seed: of the cut. Runs that are to be compared need the same; how a network is trained
            has seeds of its own.
        val_share: part of the training images for validation, in (0, 1); 0.2 if neither this nor
            ``val_images`` is given.
        val_images: the same as a number of images.
        image_size: pixels of a side; the images' own if not given, 224 for imagefolder.
        limit_train: train on at most so many images, stratified; validation stays as it is.
        skip_corrupt: leave out pictures that cannot be read, in all parts; ``skipped`` of the data
            has them. Where images are not single files there is nothing to leave out.
        check_pictures: read every picture of a folder once, before anything is trained.
        progress: is told of how many pictures out of how many were read.

    Raises:
        UnreadablePictures: of ``check_pictures``, where nothing is skipped.
        InputError: an unknown name; files that are missing, damaged or not of the expected
            layout; fewer than two classes, or fewer images than classes; a cut that cannot be made.

    >>> load("digits").summary()
    'digits: 10 classes, 1×8×8, 1150 train, 287 val, 360 test'
    """
    if not isinstance(name, str):
        raise InputError(f"the name of the data set is {written(name)}; give one, or a FILE.py")
    if name.endswith(".py"):
        given = {
            "data_dir": None if data_dir is None else str(data_dir),
            "val_share": val_share,
            "val_images": val_images,
            "image_size": image_size,
            "skip_corrupt": skip_corrupt or None,
        }
        own = load_own(Path(expand_home(name)), given, limit_train, seed)
        if not isinstance(own, Data):
            raise InputError(f"data file {name!r} has an ImageShape, without images")
        return own
    if name not in DATASETS:
        raise unknown("data set", name, DATASETS, OWN)
    seed = whole("seed", seed, 0, 2**32 - 1)
    if image_size is not None:
        image_size = whole("image_size", image_size, 4, 4096)
    source = DATASETS[name](None if data_dir is None else Path(expand_home(data_dir)), image_size)
    stats = stat_files(source.files)
    skipped: dict[str, str] = {}
    if isinstance(source.train, FolderImages):
        if check_pictures or skip_corrupt:
            skipped = unreadable_pictures(source.files, stats, progress)
        if skipped:
            if not skip_corrupt:
                raise UnreadablePictures(skipped, len(source.files))
            source = without_pictures(source, skipped)
        if fits(source.files):
            source = decoded_once(source)
    elif skip_corrupt:
        raise InputError(f"skip_corrupt is for single picture files: imagefolder, not {name}")
    _check_classes(name, source)
    train_part, val_part = _cut(source, seed, val_share, val_images)
    train_part = _limited(train_part, limit_train, source.num_classes, seed)
    statistics = train_part.statistics()
    return Data(
        train_part.prepared(statistics, augment=True),
        val_part.prepared(statistics, augment=False),
        source.test.prepared(statistics, augment=False),
        statistics,
        name=name,
        num_classes=source.num_classes,
        in_channels=source.in_channels,
        image_size=source.image_size,
        classes=source.classes,
        note=source.note,
        files={
            os.path.relpath(path, source.root): size
            for path, (size, _) in zip(source.files, stats, strict=True)
        },
        skipped={os.path.relpath(path, source.root): why for path, why in skipped.items()},
    )


def load_own(
    path: Path, given: Mapping[str, object], limit_train: int | None, seed: int
) -> ImageShape:
    """Read a user's file, which may have no images; it decides alone what is ``given``."""
    for field, value in given.items():
        if value is not None:
            raise InputError(f"{field} is {value!r}; {path.name} decides that of its own data")
    data = load_data_file(path)
    if not isinstance(data, Data):
        if limit_train is not None:
            raise InputError(f"limit_train is {limit_train!r}; {path.name} has no images")
        return data
    return replace(data, train=_limited(data.train, limit_train, data.num_classes, seed))


def _limited(part: AnyImages, limit: int | None, num_classes: int, seed: int) -> AnyImages:
    """Return at most so many images of a part, stratified."""
    if limit is not None:
        limit = whole("limit_train", limit, num_classes)
    if limit is None or limit >= len(part):
        return part
    kept, _ = stratified_split(part.labels, limit, seed, "limited part", keep=0)
    return cast(AnyImages, part.select(kept))


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
) -> tuple[StoredImages, StoredImages]:
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
        share = DEFAULT_SHARE if val_share is None else as_python(val_share)
        if not is_number(share) or not 0 < share < 1:
            raise InputError(f"val_share is {written(val_share)}; give a number between 0 and 1")
        count = round(share * len(source.train))
    drawn, rest = stratified_split(source.train.labels, count, seed, "validation part")
    return source.train.select(rest), source.train.select(drawn)
