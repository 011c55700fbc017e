"""One image file, as every part of a data set shows it: upright, 8 bits, RGB.

==========================  ====================================================================
in the file                 in the picture
==========================  ====================================================================
an orientation tag          turned and mirrored as the tag says
16 bits of grey             all of 0 to 65,535 becomes 0 to 255, and 12 bits of a TIFF likewise
32-bit floating point       [0, 1] becomes 0 to 255; other values are refused, as is any other
                            kind of more than 16 bits: nobody knows which value is white
transparency                laid on ``BACKGROUND``, a palette's and a transparent colour's too
CMYK, palette, 1 bit, grey  converted to RGB; grey has three equal channels
several frames              the first one
==========================  ====================================================================
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from se_nas.errors import InputError

# White, as paper is and as most viewers show it.
BACKGROUND = (255, 255, 255)
SUFFIXES = frozenset(
    (
        *(".apng", ".avif", ".bmp", ".dib", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"),
        *(".mpo", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
    )
)
# Of the Exif tag: what undoes it.
ORIENTATION, UPRIGHT = (
    0x0112,
    {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    },
)
BITS, PHOTOMETRIC = 258, 262  # tags of a TIFF
# A side of a picture that is only checked: a JPEG is decoded at an eighth of its size at least.
SMALL = 8


class ImageError(InputError):
    """An image file cannot be read. Stays one line when a loader's worker process passes it on."""

    def __init__(self, message: str) -> None:
        super().__init__(message.strip().splitlines()[-1].removeprefix(f"{_IMAGE_ERROR}: "))


_IMAGE_ERROR = f"{ImageError.__module__}.{ImageError.__qualname__}"


def open_picture(path: str) -> Image.Image:
    """Read an image file: upright, 8 bits, RGB.

    Raises:
        ImageError: it is no image, is damaged, or of a kind that cannot be shown in 8 bits.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about what is odd in a file that it can read
        reason, image = _decode(path)
    if image is None:
        raise ImageError(f"image {path!r} cannot be read ({reason}); remove or repair it")
    return image


def reason_against(path: str) -> str:
    """Return why ``open_picture`` would refuse a file; empty if it would not.

    All of the file is decoded, a JPEG at a fraction of its size.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _decode(path, small=True)[0]


def as_shown(image: Image.Image) -> Image.Image:
    """Return an open picture upright, in 8 bits and in RGB, as ``open_picture`` does a file.

    Raises:
        ValueError: nobody knows which of its values is white.
    """
    image.load()
    return _upright(_with_white_below(_in_8_bits(image)), _orientation(image))


def shown_in_8_bits(image: Image.Image) -> Image.Image:
    """Return an open picture whose values are bytes and shades; its channels stay.

    A palette, of numbers that are no shades, becomes RGB; one bit, and more than 8, become grey.

    Raises:
        ValueError: nobody knows which of its values is white.
    """
    image = _in_8_bits(image)
    if image.mode in ("P", "PA"):
        return _with_white_below(image)
    return image.convert("L") if image.mode == "1" else image


def _decode(path: str, *, small: bool = False) -> tuple[str, Image.Image | None]:
    """Return an empty reason and the picture, or the reason why there is none."""
    try:
        if Path(path).exists() and not Path(path).is_file():
            return "it is no plain file", None  # to open a pipe would wait for ever
        with Image.open(path) as image:
            if small:
                image.draft(None, (SMALL, SMALL))
            return "", as_shown(image)
    except FileNotFoundError:
        link = Path(path).is_symlink()
        return "a link to nothing" if link else "No such file or directory", None
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        return f"it has more than {most:,} pixels", None
    except UnidentifiedImageError:
        empty = Path(path).stat().st_size == 0
        return "it is empty" if empty else "it holds no image of a known format", None
    except OSError as error:
        return error.strerror or _one_line(error), None
    except Exception as error:  # damaged files make Pillow's many readers raise many types
        return _one_line(error), None


def _in_8_bits(image: Image.Image) -> Image.Image:
    """Return a picture of one of the modes of 8 bits or fewer.

    Raises:
        ValueError: nobody knows which of its values is white.
    """
    tags: Any = getattr(image, "tag_v2", {})
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        grey = np.asarray(image).astype(np.float64) / (4095 if tags.get(BITS) == (12,) else 65535)
        if tags.get(PHOTOMETRIC) == 0:  # 0 is white; Pillow turns only 8 bits
            grey = 1 - grey
    elif image.mode == "F":
        grey = np.asarray(image).astype(np.float64)
        if not (grey.min() >= 0 and grey.max() <= 1):  # NaN too
            raise ValueError(
                f"floating point from {grey.min():g} to {grey.max():g}, of which only [0, 1] is "
                "known: save it in 8 or 16 bits"
            )
    elif image.mode == "I":
        raise ValueError("whole numbers of 32 bits or with a sign: save it in 8 or 16 bits")
    else:
        return image
    eight = Image.fromarray(np.round(grey * 255).clip(0, 255).astype(np.uint8))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        mask = np.asarray(image) != clear
        eight = eight.convert("LA")
        eight.putalpha(Image.fromarray(mask.astype(np.uint8) * 255))
    return eight


def _with_white_below(image: Image.Image) -> Image.Image:
    """Return a picture as RGB; what is transparent shows the background."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    above = image.convert("RGBA")
    below = Image.new("RGBA", above.size, BACKGROUND)
    return Image.alpha_composite(below, above).convert("RGB")


def _orientation(image: Image.Image) -> Any:
    try:
        return image.getexif().get(ORIENTATION)
    except Exception:  # a picture with damaged tags is still one; their reader raises many types
        return None


def _upright(image: Image.Image, orientation: Any) -> Image.Image:
    how = UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return image if how is None else image.transpose(how)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
