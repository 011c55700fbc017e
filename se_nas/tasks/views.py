"""Views of a picture, whose mean is what a network says of it: ten crops, several sizes.

The paper tests with the centre of one size (section 6), and its entry of ILSVRC 2017 with several
crops, sizes and networks (appendix).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torchvision.transforms import v2

from se_nas.data import FolderImages, Images
from se_nas.data.images import resized_side
from se_nas.errors import InputError
from se_nas.texts import written
from se_nas.values import whole

CROPS = (1, 10)
MOST_PIXELS = 8192


@dataclass(frozen=True)
class Views:
    """How often and how large each picture is seen.

    Attributes:
        crops: 1, the centre; or 10, the centre and the corners, each mirrored too.
        sides: the shorter side in pixels before the crop, one view after another; if empty, the
            one of the network's training.

    Raises:
        InputError: another number of crops, or no side in pixels.
    """

    crops: int = 1
    sides: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.crops not in CROPS or isinstance(self.crops, bool):
            raise InputError(f"crops is {written(self.crops)}; allowed: 1, 10")
        sides = tuple(whole("resize", side, 1, MOST_PIXELS) for side in self.sides)
        object.__setattr__(self, "sides", sides)

    def of(self, images: Images) -> Iterator[Images]:
        """Yield images as they are seen, once for each side.

        Raises:
            InputError: they are not pictures in files, or a side is shorter than the crop.
        """
        if self == ONE:
            yield images
            return
        if not isinstance(images, FolderImages):
            raise InputError(
                "crops and resize are for pictures in files, as of imagefolder; these images have "
                "one size"
            )
        size = images.image_size
        for side in self.sides or (resized_side(size),):
            if side < size:
                raise InputError(f"resize is {side}, shorter than the crop of {size} px")
            crop = [v2.TenCrop(size), torch.stack]
            steps = crop if self.crops > 1 else [v2.CenterCrop(size)]
            resized = [v2.Resize(side, antialias=True), v2.PILToTensor()]
            yield replace(images, crop=v2.Compose([*resized, *steps]), views=self.crops)


ONE = Views()
