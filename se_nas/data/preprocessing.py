"""``Preprocessing``: how a picture becomes what a network takes, as a value and as a transform."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2

from se_nas.data.images import Statistics, evaluation_crop, normalise
from se_nas.data.pictures import as_shown, open_picture
from se_nas.errors import InputError, unknown
from se_nas.values import as_python, is_number, whole

Crop = Literal["center", "squash"]
MODES = {1: "L", 3: "RGB"}


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What a network expects of its pictures, and what its outputs are called.

    Attributes:
        image_size: side in pixels of the square that the network takes.
        channels: 1 for gray, 3 for colours, others as the data set had them.
        crop: how a picture becomes that square. ``center``: it is resized until its shorter side
            is ``resize`` px, and the middle is cut out; ``squash``: it is resized to the square as
            a whole. None where a user's own data set did it.
        resize: the shorter side before the cut; None without one.
        mean, std: of each channel, with pixels in [0, 1]; None if they are not known.
        classes: names in the order of the outputs; empty if they have none.

    Raises:
        InputError: a value is not allowed, or does not fit another.

    >>> told = Preprocessing(image_size=64, channels=3, crop="center", resize=73)
    >>> Preprocessing.from_json(told.to_json()) == told
    True
    """

    image_size: int
    channels: int
    crop: Crop | None = None
    resize: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    classes: tuple[str, ...] = ()
    interpolation: Literal["bilinear"] = "bilinear"

    def __post_init__(self) -> None:
        for each in fields(self):
            value = as_python(getattr(self, each.name))
            value = as_python(tuple(value)) if isinstance(value, list) else value
            object.__setattr__(self, each.name, value)
        for name in ("image_size", "channels"):
            object.__setattr__(self, name, whole(f"{name} of images", getattr(self, name), 1))
        if self.crop not in (None, *get_args(Crop)):
            raise unknown("crop of images", self.crop, get_args(Crop))
        if self.crop == "center":
            whole("resize of images", self.resize, self.image_size)
        if self.interpolation != "bilinear":
            raise unknown("interpolation of images", self.interpolation, ("bilinear",))
        for name in ("mean", "std"):
            values = getattr(self, name)
            right = isinstance(values, tuple) and all(map(is_number, values))
            if values is not None and not (right and len(values) == self.channels):
                raise InputError(
                    f"{name} of images is {values!r}; give a number for each of "
                    f"{self.channels} channels"
                )
        named = isinstance(self.classes, tuple) and all(isinstance(c, str) for c in self.classes)
        if not named:
            raise InputError(f"classes of images is {self.classes!r}; give a list of names")

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values; ``Preprocessing(**values)`` is the inverse."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    def to_json(self) -> str:
        """Write it as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Preprocessing:
        """Read what ``to_json`` wrote; what a later version may add is left out.

        Raises:
            InputError: it is no such JSON, or a value is not allowed.
        """
        known = {each.name for each in fields(cls)}
        try:
            data = json.loads(text)
            return cls(**{key: value for key, value in data.items() if key in known})
        except InputError:
            raise
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, TypeError):
                error = ValueError("it has not all fields, or one of another type")
            raise InputError(f"no preprocessing's JSON ({error}): {text[:80]!r}") from None

    def at(self, image_size: int) -> Preprocessing:
        """Return it for images of another side: what is cut off stays the same share."""
        values: Mapping[str, Any] = asdict(self)
        resize = self.resize and round(image_size * self.resize / self.image_size)
        return Preprocessing(**{**values, "image_size": image_size, "resize": resize})

    def transform(self) -> v2.Transform:
        """Return torchvision's transform of a picture, as validation and test images had it.

        Returns:
            From a file's path or a PIL image to float32 (channels, image_size, image_size); add a
            dimension in front for a batch of one.

        Raises:
            InputError: the network was trained on a data set with transforms of its own.
        """
        if self.crop is None or self.mean is None or self.std is None or self.channels not in MODES:
            raise InputError(
                "how a picture becomes an input is not known: the network was trained on a data "
                f"set with transforms of its own. It takes {self.channels}×{self.image_size}×"
                f"{self.image_size}: apply the data set's transforms"
            )
        if self.crop == "center":
            assert self.resize is not None
            crop = evaluation_crop(self.image_size, self.resize)
        else:
            crop = [v2.PILToTensor(), v2.Resize([self.image_size] * 2, antialias=True)]
        steps = [InMode(MODES[self.channels]), *crop, *normalise(Statistics(self.mean, self.std))]
        return v2.Compose(steps)


class InMode(nn.Module):
    """A picture, or the file with it, in the colours of a mode, ``L`` or ``RGB``."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, picture: Image.Image | str | Path) -> Image.Image:
        if isinstance(picture, (str, Path)):
            return open_picture(str(picture)).convert(self.mode)
        if not isinstance(picture, Image.Image):
            kind = "a tensor" if isinstance(picture, Tensor) else f"a {type(picture).__name__}"
            raise InputError(f"the transform takes a path or a PIL image, not {kind}")
        return as_shown(picture).convert(self.mode)
