"""Picture files as people have them, opened as what a viewer shows: 8-bit RGB, upright."""

from __future__ import annotations

import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from se_nas.errors import InputError

EXIF_ORIENTATION = 0x0112
# Bits of Pillow's modes with one channel of more than 8 bits; the white of the others is not known.
SIXTEEN_BIT = {"I;16", "I;16L", "I;16B", "I;16N"}


class ImageError(InputError):
    """An image file cannot be read. Stays one line when a loader's worker process passes it on."""

    def __init__(self, message: str) -> None:
        super().__init__(message.strip().splitlines()[-1].removeprefix(f"{_IMAGE_ERROR}: "))


_IMAGE_ERROR = f"{ImageError.__module__}.{ImageError.__qualname__}"


def open_picture(path: str) -> Image.Image:
    """Return a picture file as 8-bit RGB.

    * Of an animated file the first frame, of a photo with an EXIF orientation the upright one.
    * 16-bit grey is scaled so that 65535 is white; wider grey and floating point are refused,
      since nothing in the file says what is white.
    * What is transparent is laid on white; CMYK, palettes and grey become RGB.

    Raises:
        ImageError: it is no picture, is truncated, or its grey has no known white.
    """
    image = try_picture(path)
    if isinstance(image, str):
        raise ImageError(f"image {path!r} cannot be read ({image}); remove or repair it")
    return image


def try_picture(path: str) -> Image.Image | str:
    """Return a picture file as ``open_picture`` does, or the reason why it cannot be read."""
    try:
        with warnings.catch_warnings():
            # Large photos are meant; beyond twice Pillow's limit it is an error all the same.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
            with Image.open(path) as image:
                return as_shown(image)
    except UnidentifiedImageError:
        return "it is no picture"
    except Exception as error:  # Pillow's readers of damaged files raise many types
        known = error.strerror if isinstance(error, OSError) else None
        return " ".join((known or str(error) or type(error).__name__).split())


def as_shown(image: Image.Image) -> Image.Image:
    """Return an image of Pillow's as a viewer shows it, in RGB; see ``open_picture``.

    Raises:
        ValueError: its grey has no known white.
    """
    return _to_rgb(_upright(image), image.format)


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        turned = image.getexif().get(EXIF_ORIENTATION, 1) not in (0, 1)
    except Exception:  # damaged EXIF data of a picture that is whole
        return image
    return ImageOps.exif_transpose(image) if turned else image


def _to_rgb(image: Image.Image, file_format: str | None) -> Image.Image:
    if image.mode in SIXTEEN_BIT or (image.mode == "I" and file_format == "PNG"):
        pixels_hw = np.asarray(image).astype(np.float32) / 257
        return Image.fromarray(np.round(pixels_hw).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        kind = "32-bit whole" if image.mode == "I" else "floating-point"
        raise ValueError(f"its pixels are {kind} numbers: save it with 8 or 16 bits, 0 is black")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")
