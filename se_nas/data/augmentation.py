"""Changes of training images beside the crop and the flip of their data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

OPERATIONS = 2  # of RandAugment, for each image


@dataclass(frozen=True)
class Augmentation:
    """Changes of training images, each image's drawn anew.

    Attributes:
        rand_augment: magnitude, of 30, of two operations of RandAugment (Cubuk et al. 2020); 0 for
            none.
        cutout: side in pixels of a square that is set to the mean, anywhere, and clipped at the
            border (DeVries and Taylor 2017); 0 for none.
        erasing: share of images of which a part is set to the mean (Zhong et al. 2020).
    """

    rand_augment: int = 0
    cutout: int = 0
    erasing: float = 0.0

    def on_pixels(self) -> list[Any]:
        """Return the steps on uint8 images (N, C, H, W), before they are normalised."""
        if not self.rand_augment:
            return []
        return [EachImage(v2.RandAugment(OPERATIONS, self.rand_augment))]

    def on_floats(self) -> list[Any]:
        """Return the steps on normalised images (N, C, H, W), whose mean is 0."""
        erasing = [EachImage(v2.RandomErasing(self.erasing))] if self.erasing else []
        return [*erasing, *([Cutout(self.cutout)] if self.cutout else [])]


class EachImage(nn.Module):
    """A transform of torchvision's, drawn for each image of a batch by itself.

    >>> EachImage(v2.RandomErasing(1.0))(torch.ones(2, 3, 8, 8)).shape
    torch.Size([2, 3, 8, 8])
    """

    def __init__(self, transform: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.transform = transform

    def forward(self, images_nchw: Tensor) -> Tensor:
        return torch.stack([self.transform(image) for image in images_nchw])


class Cutout(nn.Module):
    """Set a square to 0 whose middle is anywhere in the image.

    >>> int((Cutout(4)(torch.ones(1, 1, 32, 32)) == 0).sum()) <= 16
    True
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, images_nchw: Tensor) -> Tensor:
        n, _, h, w = images_nchw.shape
        top = torch.randint(0, h, (n, 1)) - self.side // 2
        left = torch.randint(0, w, (n, 1)) - self.side // 2
        rows, columns = torch.arange(h), torch.arange(w)
        row = (rows >= top) & (rows < top + self.side)
        column = (columns >= left) & (columns < left + self.side)
        return images_nchw.masked_fill((row[:, :, None] & column[:, None, :])[:, None], 0.0)
