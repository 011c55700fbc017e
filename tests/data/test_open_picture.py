"""One image file of each kind that people have: what it looks like, and what cannot be shown."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from se_nas.data import pictures
from se_nas.data.pictures import ImageError, open_picture, reason_against

DEEP = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)


def pixels(path: Path) -> Any:
    image = open_picture(str(path))
    assert image.mode == "RGB"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert reason_against(str(path)) == ""
    return np.asarray(image)


def refused(path: Path) -> str:
    with pytest.raises(ImageError) as caught:
        open_picture(str(path))
    line = str(caught.value)
    assert "\n" not in line
    reason = line.removeprefix(f"image {str(path)!r} cannot be read (").removesuffix(
        "); remove or repair it"
    )
    assert reason == reason_against(str(path))
    return reason


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm", "jp2"])
def test_16_bits_of_grey_become_8_bits_of_the_same_brightness(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray(DEEP).save(path)
    found = pixels(path)
    assert np.abs(found[..., 0] - DEEP / 257).max() <= 0.5 + 1e-6
    assert (found[..., 0] == found[..., 2]).all()


def test_16_bits_of_the_other_byte_order_are_the_same(tmp_path: Path) -> None:
    Image.fromarray(DEEP.astype(">u2")).save(tmp_path / "big.tif")
    with Image.open(tmp_path / "big.tif") as image:
        assert image.mode == "I;16B"
    assert np.abs(pixels(tmp_path / "big.tif")[..., 0] - DEEP / 257).max() <= 0.5 + 1e-6


def test_deep_grey_whose_0_is_white_is_not_shown_as_a_negative(tmp_path: Path) -> None:
    Image.fromarray(DEEP).save(tmp_path / "x-ray.tif", tiffinfo={pictures.PHOTOMETRIC: 0})
    found = pixels(tmp_path / "x-ray.tif")
    assert (found[0, 0, 0], found[-1, -1, 0]) == (255, 0)


def test_a_transparent_shade_of_16_bits_shows_the_background(tmp_path: Path) -> None:
    Image.fromarray(DEEP).save(tmp_path / "clear.png", transparency=0)
    found = pixels(tmp_path / "clear.png")[..., 0]
    assert (found[0, 0], found[0, 1], found[-1, -1]) == (255, 0, 255)


def test_floating_point_in_unit_range_is_shades_and_other_values_are_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "float.tif"
    unit = DEEP / np.float32(65535)
    Image.fromarray(unit).save(path)
    assert np.abs(pixels(path)[..., 0] - DEEP / 257).max() <= 0.51
    for wrong in (unit * 255, unit - 0.5, np.where(unit > 0.5, np.nan, unit)):
        Image.fromarray(wrong.astype(np.float32)).save(path)
        assert "of which only [0, 1] is known: save it in 8 or 16 bits" in refused(path)


@pytest.mark.parametrize("kind", [np.int32, np.int16])
def test_whole_numbers_without_a_known_white_are_refused(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / "signed.tif"
    Image.fromarray((DEEP // 4).astype(np.int32)).save(path)
    if kind is np.int16:
        content = bytearray(path.read_bytes())
        tag = content.index((258).to_bytes(2, "little") + b"\3\0\1\0\0\0\x20\0")
        content[tag + 8] = 16
        path.write_bytes(content)
        with Image.open(path) as image:
            assert image.mode == "I"
    assert refused(path).startswith("whole numbers of 32 bits or with a sign")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_a_picture_is_turned_and_mirrored_as_its_tag_says(
    tmp_path: Path, suffix: str, tag: int
) -> None:
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16], upright[:8, 16:], upright[8:, :16] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    stored = Image.fromarray(upright)
    undo = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    if tag > 1:
        stored = stored.transpose(undo.get(tag, pictures.UPRIGHT[tag]))
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = tag
    path = tmp_path / f"turned.{suffix}"
    stored.save(path, exif=exif, quality=100)
    found = pixels(path)
    assert found.shape == upright.shape
    for y, x in ((3, 7), (3, 23), (11, 7), (11, 23)):
        assert np.abs(found[y, x].astype(int) - upright[y, x]).max() < 40


@pytest.mark.parametrize("tag", [0, 9])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path: Path, tag: int) -> None:
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = tag
    Image.new("RGB", (9, 4)).save(tmp_path / "odd.png", exif=exif)
    assert pixels(tmp_path / "odd.png").shape == (4, 9, 3)


def test_damaged_tags_do_not_hide_a_whole_picture(tmp_path: Path) -> None:
    for exif in (b"Exif\0\0nothing of the kind", b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0"):
        Image.new("RGB", (9, 4), "red").save(tmp_path / "tags.jpg", exif=exif)
        assert pixels(tmp_path / "tags.jpg")[0, 0, 0] > 240


def clear_palette(path: Path) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    image.putpixel((0, 0), 0)
    image.save(path, transparency=0)


def half_clear_palette(path: Path) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    image.putpixel((0, 0), 0)
    image.save(path, transparency=bytes((0, 255)))


def clear_colour(mode: str, clear: Any, other: Any) -> Callable[[Path], None]:
    def save(path: Path) -> None:
        image = Image.new(mode, (8, 8), other)
        image.putpixel((0, 0), clear)
        image.save(path)

    return save


@pytest.mark.parametrize(
    ("save", "expected"),
    [
        (clear_palette, (200, 100, 50)),
        (half_clear_palette, (200, 100, 50)),
        (clear_colour("RGBA", (0, 0, 0, 0), (200, 100, 50, 255)), (200, 100, 50)),
        (clear_colour("RGBA", (0, 0, 0, 0), (0, 0, 0, 51)), (204, 204, 204)),
        (clear_colour("LA", (0, 0), (70, 255)), (70, 70, 70)),
    ],
    ids=["palette", "palette with bytes", "RGBA", "half clear", "LA"],
)
def test_what_is_transparent_shows_white(
    tmp_path: Path, save: Callable[[Path], None], expected: tuple[int, ...]
) -> None:
    save(tmp_path / "clear.png")
    found = pixels(tmp_path / "clear.png")
    assert tuple(found[0, 0]) == pictures.BACKGROUND
    assert tuple(found[4, 4]) == expected


def test_a_transparent_colour_of_a_picture_without_alpha_shows_white(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "key.png", transparency=(1, 2, 3))
    assert (pixels(tmp_path / "key.png") == 255).all()


@pytest.mark.parametrize(
    ("mode", "colour", "suffix", "expected"),
    [
        ("CMYK", (0, 255, 255, 0), "jpg", (255, 0, 0)),
        ("CMYK", (0, 255, 255, 0), "tif", (255, 0, 0)),
        ("L", 90, "png", (90, 90, 90)),
        ("1", 1, "png", (255, 255, 255)),
        ("1", 0, "tif", (0, 0, 0)),
        ("P", 0, "bmp", (0, 0, 0)),
        ("YCbCr", (76, 85, 255), "jpg", (255, 0, 0)),
    ],
)
def test_every_mode_becomes_rgb(
    tmp_path: Path, mode: str, colour: Any, suffix: str, expected: tuple[int, ...]
) -> None:
    Image.new(mode, (8, 8), colour).save(tmp_path / f"x.{suffix}")
    assert np.abs(pixels(tmp_path / f"x.{suffix}")[4, 4].astype(int) - expected).max() <= 3


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif", "mpo"])
def test_of_several_frames_the_first_is_shown(tmp_path: Path, suffix: str) -> None:
    first, *others = (Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime"))
    options = {"lossless": True} if suffix == "webp" else {}
    first.save(tmp_path / f"x.{suffix}", save_all=True, append_images=others, **options)
    assert np.abs(pixels(tmp_path / f"x.{suffix}")[8, 8].astype(int) - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "tif", "bmp"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused_at_every_length(
    tmp_path: Path, suffix: str, share: float
) -> None:
    path = tmp_path / f"cut.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert refused(path)


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(b"")
    assert refused(path) == "it is empty"
    path.write_text("<html>not found</html>")
    assert refused(path) == "it holds no image of a known format"
    path.unlink()
    assert refused(path) == "No such file or directory"
    path.symlink_to(tmp_path / "nowhere")
    assert refused(path) == "a link to nothing"
    path.unlink()
    os.mkfifo(path)
    assert refused(path) == "it is no plain file"


def test_a_file_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    Image.new("RGB", (4, 4)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "open", refuse)
    assert refused(tmp_path / "x.png") == "Permission denied"


def test_a_large_picture_is_read_without_a_warning_and_a_huge_one_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_picture(str(tmp_path / "x.png")).size == (40, 30)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    assert refused(tmp_path / "x.png") == "it has more than 1,000 pixels"


def test_any_error_of_a_reader_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise IndexError("of a\nplugin")

    Image.new("RGB", (4, 4)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "open", fail)
    assert refused(tmp_path / "x.png") == "of a plugin"
