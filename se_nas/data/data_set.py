"""A data set as a value: its three parts, or only the shape of its images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from se_nas.data.augmentation import Augmentation
from se_nas.data.dataset_images import DatasetImages
from se_nas.data.images import (
    NOTHING_MORE,
    FolderImages,
    Statistics,
    StoredImages,
    resized_side,
)
from se_nas.data.preprocessing import Preprocessing
from se_nas.errors import InputError
from se_nas.values import whole

Images = StoredImages | DatasetImages


@dataclass(frozen=True, eq=False, kw_only=True)
class ImageShape:
    """What a network must know of its images: enough to build it and to price it.

    In place of a data set it serves a search whose training function brings its own images.

    Attributes:
        num_classes: classes of the head.
        in_channels, image_size: an image is (in_channels, image_size, image_size).
        name: of the data set, for the run's name.
        classes: names in the order of the labels, where the data set has names.

    Raises:
        InputError: fewer than two classes, no channel or no pixel.
    """

    num_classes: int
    in_channels: int
    image_size: int
    name: str = "images"
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("num_classes", 2), ("in_channels", 1), ("image_size", 1)):
            object.__setattr__(self, name, whole(name, getattr(self, name), least))

    @property
    def preprocessing(self) -> Preprocessing:
        """What a network on these images expects of a picture, as far as is known."""
        return Preprocessing(
            image_size=self.image_size, channels=self.in_channels, classes=self.classes
        )

    def summary(self) -> str:
        """Write one line: classes and shape."""
        size = f"{self.in_channels}×{self.image_size}×{self.image_size}"
        return f"{self.name}: {self.num_classes} classes, {size}"

    def fingerprint(self) -> str:
        """Return a short hash that tells data of one name apart: of all but the pixels."""
        return hashlib.sha256(b"".join(self._identity())).hexdigest()[:8]

    def _identity(self) -> Iterator[bytes]:
        yield self.summary().encode(errors="backslashreplace")
        yield repr(self.classes).encode(errors="backslashreplace")


@dataclass(frozen=True, eq=False)
class Data(ImageShape):
    """A data set, ready to train on.

    Attributes:
        train: training images, augmented where the set wants it.
        val: validation images, by which a search compares networks.
        test: the official test part, for the chosen networks only.
        statistics: mean and standard deviation by channel, with which images are normalised.
        note: what a reader of its line has to know of it; empty for nothing.
        files: bytes of each file that it was read from, by the path in its folder; empty where it
            is of no files, or of the user's own code.
        skipped: pictures among them that cannot be read and were left out, with the reasons.
    """

    train: Images
    val: Images
    test: Images
    statistics: Statistics
    note: str = ""
    files: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_own(self) -> bool:
        """Whether images are as the user's own data set gives them, not normalised by us."""
        return isinstance(self.train, DatasetImages)

    def augmented(self, more: Augmentation) -> Images:
        """Return the training images with more augmentation than the data set's own.

        Raises:
            InputError: the images are the user's own, which are as they are.
        """
        if more == NOTHING_MORE:
            return self.train
        if isinstance(self.train, DatasetImages):
            raise InputError(
                f"{self.name} is a data set of your own, whose images are as it gives them: put "
                "rand_augment, cutout and erasing into its own transform, and give a recipe without"
            )
        return self.train.prepared(self.statistics, augment=True, more=more)

    @property
    def preprocessing(self) -> Preprocessing:
        """What a network trained on this data expects of a picture: what ``val`` does to one."""
        mean, std = self.statistics
        known = replace(super().preprocessing, mean=mean, std=std)
        if self.is_own:
            return known
        if isinstance(self.val, FolderImages):
            return replace(known, crop="center", resize=resized_side(self.image_size))
        return replace(known, crop="squash")

    def summary(self) -> str:
        """Write one line: classes, shape, images of each part."""
        parts = f"{len(self.train)} train, {len(self.val)} val, {len(self.test)} test"
        return f"{super().summary()}, {parts}{self.note and f' ({self.note})'}"

    def _identity(self) -> Iterator[bytes]:
        yield from super()._identity()
        for part in (self.train, self.val, self.test):
            yield part.labels.numpy().tobytes()
            yield part.indices.numpy().tobytes()
