"""Images by index: whole normalised batches from RAM, or decoded from files.

Shapes: N batch, C channels, H × W pixels. Both classes have ``__getitems__``, which a
``DataLoader`` calls once a batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset
from torchvision.transforms import v2

from se_nas.data.augmentation import Augmentation
from se_nas.data.decoded import open_decoded
from se_nas.data.pictures import open_picture

NOTHING_MORE = Augmentation()
Batch = tuple[Tensor, Tensor]


class Statistics(NamedTuple):
    """Mean and standard deviation of each channel, pixels in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


# Of ImageNet's training images, as torchvision's models use them.
IMAGENET = Statistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class CropAndFlip(nn.Module):
    """Pad with 0, crop at random and flip half of the images: one draw for each image.

    The same distribution as ``v2.RandomCrop(size, padding)`` and ``v2.RandomHorizontalFlip()``
    on one image after the other, which took 2.4 s for 48,000 images of 28 × 28 where this takes
    0.13 s: an epoch of a slim network on a GPU would have waited for it.

    >>> CropAndFlip(padding=4)(torch.zeros(5, 3, 32, 32, dtype=torch.uint8)).shape
    torch.Size([5, 3, 32, 32])
    """

    def __init__(self, padding: int) -> None:
        super().__init__()
        self.padding = padding

    def forward(self, images_nchw: Tensor) -> Tensor:
        n, _, h, w = images_nchw.shape
        padded = F.pad(images_nchw, (self.padding,) * 4)
        top, left = torch.randint(0, 2 * self.padding + 1, (2, n, 1))
        flip = torch.rand(n, 1) < 0.5
        rows_nh = top + torch.arange(h)
        columns_nw = left + torch.where(flip, torch.arange(w).flip(0), torch.arange(w))
        image = torch.arange(n)[:, None, None]
        images_nhwc = padded[image, :, rows_nh[:, :, None], columns_nw[:, None, :]]
        return images_nhwc.permute(0, 3, 1, 2)


def normalise(statistics: Statistics) -> list[Any]:
    """Return the steps from uint8 pixels to normalised ones."""
    to_float = v2.ToDtype(torch.float32, scale=True)
    return [to_float, v2.Normalize(list(statistics.mean), list(statistics.std))]


def resized_side(image_size: int) -> int:
    """Return the shorter side of a picture before its middle is cut out, as for ImageNet."""
    return round(image_size * 256 / 224)


def evaluation_crop(image_size: int, resize: int) -> list[Any]:
    """Return the steps from a PIL image to the uint8 (C, H, W) square in its middle."""
    return [v2.Resize(resize, antialias=True), v2.CenterCrop(image_size), v2.PILToTensor()]


@dataclass(frozen=True, eq=False)
class RamImages(Dataset[Batch]):
    """Images in memory.

    Attributes:
        images_nchw: uint8 (N, C, H, W).
        labels: int64 (N,), from 0.
        indices: int64 (N,), the place of each image in the official part that it is from.
        padding: pixels for ``CropAndFlip`` when training; 0 for no augmentation.
        transform: from the uint8 batch to the float batch; None before ``prepared``.
    """

    images_nchw: Tensor
    labels: Tensor
    indices: Tensor
    padding: int = 0
    transform: Callable[[Tensor], Tensor] | None = None
    default_workers = 0

    @classmethod
    def of(cls, images_nchw: Tensor, labels: Tensor, padding: int = 0) -> RamImages:
        """Wrap a whole official part: uint8 (N, C, H, W) images and their int64 (N,) labels."""
        return cls(images_nchw, labels, torch.arange(len(labels)), padding)

    def select(self, positions: Tensor) -> RamImages:
        """Return a copy of the images at these positions."""
        return replace(
            self,
            images_nchw=self.images_nchw[positions],
            labels=self.labels[positions],
            indices=self.indices[positions],
        )

    def statistics(self) -> Statistics:
        """Compute over all pixels; the deviation of a constant channel counts as one grey level."""
        grey = torch.arange(256, dtype=torch.float64) / 255
        means, deviations = [], []
        for channel in range(self.images_nchw.shape[1]):
            pixels = self.images_nchw[:, channel].flatten()
            share = torch.bincount(pixels, minlength=256).double() / pixels.numel()
            mean = (share * grey).sum()
            means.append(float(mean))
            deviations.append(max(float((share * (grey - mean) ** 2).sum().sqrt()), 1 / 255))
        return Statistics(tuple(means), tuple(deviations))

    def prepared(
        self, statistics: Statistics, augment: bool, more: Augmentation = NOTHING_MORE
    ) -> RamImages:
        """Return the same images, given out normalised and, to train on, augmented."""
        crop = [CropAndFlip(self.padding)] if augment and self.padding else []
        steps = [*crop, *more.on_pixels(), *normalise(statistics), *more.on_floats()]
        return replace(self, transform=v2.Compose(steps))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitems__(self, positions: Sequence[int]) -> Batch:
        """Return images float32 (N, C, H, W) and labels int64 (N,)."""
        chosen = torch.as_tensor(positions)
        images = self.images_nchw[chosen]
        return (images if self.transform is None else self.transform(images)), self.labels[chosen]

    def __getitem__(self, position: int) -> Batch:
        images, labels = self.__getitems__([position])
        return images[0], labels[0]


@dataclass(frozen=True, eq=False)
class FolderImages(Dataset[Batch]):
    """Image files, decoded when asked for.

    Attributes:
        paths: of the files.
        labels, indices: as in ``RamImages``.
        image_size: pixels of a side of the square that is given out.
        crop: from one RGB image to the uint8 (3, H, W) square.
        transform: from the uint8 batch to the float batch.
        decoded: keep the pictures' pixels for the next epoch, and for other processes.
        views: squares that ``crop`` makes of an image; of several it is (views, 3, H, W).
    """

    paths: tuple[str, ...]
    labels: Tensor
    indices: Tensor
    image_size: int
    crop: Callable[[Image.Image], Tensor] | None = None
    transform: Callable[[Tensor], Tensor] | None = None
    views: int = 1
    decoded: bool = False
    default_workers = min(4, os.cpu_count() or 1)

    def select(self, positions: Tensor) -> FolderImages:
        """Return the files at these positions."""
        return replace(
            self,
            paths=tuple(self.paths[i] for i in positions.tolist()),
            labels=self.labels[positions],
            indices=self.indices[positions],
        )

    def statistics(self) -> Statistics:
        """Return ImageNet's: to read every file first would cost as much as an epoch."""
        return IMAGENET

    def prepared(
        self, statistics: Statistics, augment: bool, more: Augmentation = NOTHING_MORE
    ) -> FolderImages:
        """Return the same files: a random part, flipped or not, to train on; else the centre."""
        size = self.image_size
        chosen = evaluation_crop(size, resized_side(size))
        if augment:
            part = v2.RandomResizedCrop(size, antialias=True)
            chosen = [part, v2.RandomHorizontalFlip(), v2.PILToTensor()]
        steps = [*more.on_pixels(), *normalise(statistics), *more.on_floats()]
        return replace(self, crop=v2.Compose(chosen), transform=v2.Compose(steps))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitems__(self, positions: Sequence[int]) -> Batch:
        """Return images float32 (N, 3, image_size, image_size) and labels int64 (N,).

        Raises:
            InputError: a file is not an image, or is truncated.
        """
        if self.crop is None or self.transform is None:
            raise RuntimeError("call prepared() first")
        read = open_decoded if self.decoded else open_picture
        images = torch.stack([self.crop(read(self.paths[i])) for i in positions])
        return self.transform(images), self.labels[torch.as_tensor(positions)]

    def __getitem__(self, position: int) -> Batch:
        images, labels = self.__getitems__([position])
        return images[0], labels[0]


# Of the data sets that are known by name.
StoredImages = RamImages | FolderImages
