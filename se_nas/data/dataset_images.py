"""The images of a user's own ``torch.utils.data.Dataset``. Shapes as in ``images``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional as v2F

from se_nas.data.images import Batch
from se_nas.data.pictures import ImageError, shown_in_8_bits
from se_nas.errors import InputError


@dataclass(frozen=True, eq=False)
class DatasetImages(Dataset[Batch]):
    """Part of a user's own map-style data set: its items as they are, transforms and all.

    Attributes:
        dataset: gives (image, label) at a position.
        labels: int64 (N,), from 0.
        indices: int64 (N,), the positions in ``dataset``.
        shape: (C, H, W) of every image.
        num_classes: labels are below it.
        part: what it is, for messages: ``train``.
        default_workers: processes that read it.
    """

    dataset: Any
    labels: Tensor
    indices: Tensor
    shape: tuple[int, int, int]
    num_classes: int
    part: str
    default_workers: int = 0

    def select(self, positions: Tensor) -> DatasetImages:
        """Return the items at these positions."""
        return replace(self, labels=self.labels[positions], indices=self.indices[positions])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitems__(self, positions: Sequence[int]) -> Batch:
        """Images float32 (N, C, H, W) and labels int64 (N,).

        Raises:
            InputError: an image of another shape or kind, a label that is out of range.
        """
        items = [self[position] for position in positions]
        return torch.stack([image for image, _ in items]), torch.stack([y for _, y in items])

    def __getitem__(self, position: int) -> Batch:
        index = int(self.indices[position])
        item, where = self.dataset[index], f"{self.part}[{index}]"
        try:
            image, label = to_image(item), to_label(item, self.num_classes)
        except InputError as error:
            raise ImageError(f"{where} {error}") from None
        if image.shape != self.shape:
            raise ImageError(f"{where} is {shape_text(image.shape)}, not {shape_text(self.shape)}")
        return image, torch.tensor(label)


def to_image(item: Any) -> Tensor:
    """Return the image of an item (image, label), float32 (C, H, W); bytes become [0, 1].

    Raises:
        InputError: what follows ``train[3]`` in a message.

    >>> to_image((torch.full((1, 2, 2), 255, dtype=torch.uint8), 0)).max()
    tensor(1.)
    """
    image = _pair(item)[0]
    if isinstance(image, Image.Image):
        try:
            image = shown_in_8_bits(image)
        except ValueError as error:
            raise InputError(f"has an image of {error}") from None
        image = v2F.pil_to_tensor(image)
    elif isinstance(image, np.ndarray):
        if image.ndim not in (2, 3):
            raise InputError(f"has an array of {image.ndim} dimensions; give (H, W) or (H, W, C)")
        image = torch.from_numpy(np.ascontiguousarray(np.atleast_3d(image).transpose(2, 0, 1)))
    if not isinstance(image, Tensor):
        kinds = "a tensor, an array or a PIL image"
        raise InputError(f"has a {type(image).__name__} for an image; give {kinds}")
    if image.ndim != 3:
        raise InputError(f"has a tensor of shape {tuple(image.shape)}; give (C, H, W)")
    if image.dtype == torch.uint8:
        return image.float() / 255
    if not image.is_floating_point():
        raise InputError(f"has values of type {image.dtype}; give uint8 or floating point")
    return image.float()


def to_label(item: Any, num_classes: int | None = None) -> int:
    """Return the label of an item (image, label); below ``num_classes``, if that is known.

    Raises:
        InputError: what follows ``train[3]`` in a message.
    """
    label = _pair(item)[1]
    if isinstance(label, (Tensor, np.ndarray)) and label.ndim == 0:
        label = label.item()
    if not isinstance(label, (int, np.integer)):
        raise InputError(f"has the label {label!r}; give a whole number from 0")
    if label < 0 or (num_classes is not None and label >= num_classes):
        most = "" if num_classes is None else f" to {num_classes - 1}"
        raise InputError(f"has the label {label}; allowed are 0{most or ' and above'}")
    return int(label)


def _pair(item: Any) -> Any:
    if not isinstance(item, (tuple, list)) or len(item) < 2:
        raise InputError(f"is a {type(item).__name__}; give a pair (image, label)")
    return item


def shape_text(shape: Sequence[int]) -> str:
    """Write a shape as a reader does: 3×32×32."""
    return "×".join(map(str, shape))
