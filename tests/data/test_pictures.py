"""Pictures of every kind that people have, made here, against what a viewer shows."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from se_nas.data import UnreadablePictures, load
from se_nas.data.folders import read_class_folders
from se_nas.data.pictures import ImageError, open_picture
from se_nas.errors import InputError

RAMP = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
RED_ON_TOP = np.zeros((20, 20, 3), np.uint8)
RED_ON_TOP[:10] = (255, 0, 0)


def shown(path: Path) -> Any:
    image = open_picture(str(path))
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "A.TIFF"])
def test_sixteen_bit_grey_goes_from_black_to_white(tmp_path: Path, name: str) -> None:
    Image.fromarray(RAMP).save(tmp_path / name)
    found = shown(tmp_path / name)
    assert np.array_equal(found[:, :, 0], np.round(RAMP / 257))
    assert (found[0, 0, 0], found[-1, -1, 0]) == (0, 255)


def test_sixteen_bit_grey_of_the_other_byte_order(tmp_path: Path) -> None:
    swapped = Image.frombytes("I;16B", (64, 64), RAMP.astype(">u2").tobytes())
    swapped.save(tmp_path / "a.tif")
    assert np.array_equal(shown(tmp_path / "a.tif")[:, :, 0], np.round(RAMP / 257))


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_pixels_whose_white_is_not_known_are_refused(tmp_path: Path, kind: Any) -> None:
    Image.fromarray(RAMP.astype(kind)).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"a.tif' cannot be read \(.*: save it in 8 or 16 bits"):
        open_picture(str(tmp_path / "a.tif"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_photos_stand_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = Image.fromarray(RED_ON_TOP)
    if orientation in undo:
        stored = stored.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"a.{suffix}", exif=exif.tobytes() if suffix != "tif" else exif)
    found = shown(tmp_path / f"a.{suffix}")
    assert found[3, 10, 0] > 200
    assert found[16, 10, 0] < 60


def test_damaged_exif_data_leaves_the_picture_as_it_is(tmp_path: Path) -> None:
    Image.fromarray(RED_ON_TOP).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert shown(tmp_path / "a.jpg")[3, 10, 0] > 200


def _palette() -> Image.Image:
    image = Image.fromarray(RED_ON_TOP).quantize(4)
    red = image.getpixel((3, 3))
    image.info["transparency"] = bytes(0 if i == red else 255 for i in range(4))
    return image


def _alpha(mode: str) -> Callable[[], Image.Image]:
    def made() -> Image.Image:
        image = Image.fromarray(RED_ON_TOP).convert(mode)
        opaque = np.full((20, 20), 255, np.uint8)
        opaque[:10] = 0
        image.putalpha(Image.fromarray(opaque))
        return image

    return made


@pytest.mark.parametrize("make", [_palette, _alpha("RGB"), _alpha("L")])
def test_what_is_transparent_is_white(tmp_path: Path, make: Callable[[], Image.Image]) -> None:
    make().save(tmp_path / "a.png")
    found = shown(tmp_path / "a.png")
    assert np.all(found[3, 3] == 255)
    assert np.all(found[16, 3] == 0)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("CMYK", "jpg"), ("CMYK", "tif"), ("L", "png"), ("1", "png"), ("P", "gif"), ("YCbCr", "jpg"),
     ("LAB", "tif"), ("RGB", "bmp"), ("RGB", "ppm"), ("RGB", "webp")],
)  # fmt: skip
def test_modes_of_colour(tmp_path: Path, mode: str, suffix: str) -> None:
    grey = mode in ("L", "1")
    pixels = RED_ON_TOP[:, :, :1].repeat(3, axis=2) if grey else RED_ON_TOP
    image = Image.fromarray(pixels)
    if mode == "LAB":
        image = Image.merge("LAB", [Image.fromarray(c) for c in np.uint8([pixels[:, :, 0]] * 3)])
    image = image if mode == "LAB" else image.convert(mode)
    image.save(tmp_path / f"a.{suffix}")
    found = shown(tmp_path / f"a.{suffix}")
    assert found[3, 10, 0] > found[16, 10, 0] + 100


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_of_several_frames_the_first_is_taken(tmp_path: Path, suffix: str) -> None:
    other = Image.fromarray(np.zeros((20, 20, 3), np.uint8))
    first = Image.fromarray(RED_ON_TOP)
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[other])
    assert shown(tmp_path / f"a.{suffix}")[3, 10, 0] > 200


def test_a_large_photo_is_no_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(RED_ON_TOP).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)  # the picture has 400
    assert shown(tmp_path / "a.png").shape == (20, 20, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageError, match="more than 200 pixels"):
        open_picture(str(tmp_path / "a.png"))


def folder(root: Path, parts: tuple[str, ...] = ("train", "test"), each: int = 6) -> Path:
    random = np.random.RandomState(0)
    for part in parts:
        for name in "ab":
            (root / part / name).mkdir(parents=True)
            for i in range(each):
                pixels = random.randint(0, 255, (24, 24, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(root / part / name / f"{i}.png")
    return root


def _hidden_class(root: Path) -> None:
    for part in ("train", "test"):
        shutil.copytree(root / part / "a", root / part / ".ipynb_checkpoints")


def _copies_of_a_notebook(root: Path) -> None:
    shutil.copytree(root / "train/a", root / "train/a/.ipynb_checkpoints")


def _empty_class(root: Path) -> None:
    (root / "val/.ipynb_checkpoints").mkdir()
    (root / "test/@eaDir").mkdir()
    shutil.copytree(root / "train/a", root / "train/__MACOSX")


def _files_of_file_managers(root: Path) -> None:
    for part in ("train", "val", "test"):
        for name in ("._0.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
            (root / part / "a" / name).write_bytes(b"\0\5\x16\7")
            (root / part / name).write_bytes(b"\0\5\x16\7")


@pytest.mark.parametrize(
    "leave", [_hidden_class, _copies_of_a_notebook, _empty_class, _files_of_file_managers]
)
def test_what_programs_leave_is_neither_class_nor_picture(
    tmp_path: Path, leave: Callable[[Path], None]
) -> None:
    folder(tmp_path, ("train", "val", "test"))
    if leave is _hidden_class:
        shutil.copytree(tmp_path / "val/a", tmp_path / "val/.ipynb_checkpoints")
    leave(tmp_path)
    data = load("imagefolder", tmp_path, image_size=16, check_pictures=True)
    assert data.summary() == "imagefolder: 2 classes, 3×16×16, 12 train, 12 val, 12 test"
    assert data.classes == ("a", "b")


def test_files_of_other_kinds_are_counted_once(tmp_path: Path) -> None:
    folder(tmp_path)
    for i in range(3):
        (tmp_path / "train/a" / f"{i}.HEIC").write_bytes(b"")
    (tmp_path / "test/b/notes").write_text("of mine")
    data = load("imagefolder", tmp_path, image_size=16)
    assert data.summary().endswith("(4 files of other kinds left out (3 .heic, 1 no suffix))")


def test_nested_folders_belong_to_their_class(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "train/a/holiday").mkdir()
    (tmp_path / "train/a/0.png").rename(tmp_path / "train/a/holiday/0.png")
    data = load("imagefolder", tmp_path, image_size=16)
    assert len(data.train) + len(data.val) == 12


def test_links_back_are_left_out_and_others_followed(tmp_path: Path) -> None:
    root = folder(tmp_path / "set")
    plain = read_class_folders(root / "train")
    outside = tmp_path / "elsewhere"
    (root / "train/a").rename(outside)
    (root / "train/a").symlink_to(outside)
    (outside / "again").symlink_to(outside)
    for name, to in (("up", ".."), ("all", str(root)), ("other", "../a")):
        (root / "train/b" / name).symlink_to(to)
    (root / "train/b/more").mkdir()
    (root / "train/b/more/own").symlink_to("../../b")
    found = read_class_folders(root / "train")
    assert found.samples == plain.samples
    assert found.others == {"link back": 5}
    (tmp_path / "further").mkdir()
    (root / "train/b/0.png").rename(tmp_path / "further" / "0.png")
    (root / "train/b/linked").symlink_to(tmp_path / "further")
    assert len(read_class_folders(root / "train").samples) == len(plain.samples)


def _damage(root: Path) -> list[str]:
    """Damage a picture of each kind; return their paths in the folder."""
    good = (root / "train/a/0.png").read_bytes()
    (root / "train/a/1.png").write_bytes(good[: len(good) // 2])
    (root / "val/b/2.png").write_bytes(b"")
    (root / "test/a/3.png").write_bytes(b"<html>not found</html>")
    (root / "test/b/4.png").unlink()
    (root / "test/b/4.png").symlink_to(root / "gone.png")
    return ["test/a/3.png", "test/b/4.png", "train/a/1.png", "val/b/2.png"]


@pytest.mark.parametrize("each", [6, 100])  # 100: read by other processes
def test_pictures_that_cannot_be_read_are_found_at_the_start(tmp_path: Path, each: int) -> None:
    wrong = _damage(folder(tmp_path, ("train", "val", "test"), each))
    with pytest.raises(
        UnreadablePictures, match=rf"4 of {6 * each} pictures .*`skip_corrupt`"
    ) as e:
        load("imagefolder", tmp_path, image_size=16, check_pictures=True)
    assert sorted(os.path.relpath(path, tmp_path) for path in e.value.reasons) == wrong
    assert "\n" not in str(e.value)
    data = load("imagefolder", tmp_path, image_size=16, skip_corrupt=True)
    assert sorted(data.skipped) == wrong
    assert data.skipped["test/b/4.png"] == "a link to nothing"
    counts = [len(part) for part in (data.train, data.val, data.test)]
    assert counts == [2 * each - 1, 2 * each - 1, 2 * each - 2]
    assert "(4 pictures that cannot be read left out)" in data.summary()
    for part in (data.train, data.val, data.test):
        part.__getitems__(range(len(part)))  # type: ignore[union-attr]


def test_a_second_look_reads_no_picture(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _damage(folder(tmp_path, ("train", "val", "test")))
    looked: list[int] = []

    def look() -> int:
        looked.clear()
        load(
            "imagefolder", tmp_path, image_size=16, skip_corrupt=True,
            progress=lambda done, count: looked.append(done),
        )  # fmt: skip
        return max(looked, default=0)

    assert [look(), look()] == [36, 0]
    os.utime(tmp_path / "train/a/0.png", (1, 1))
    assert [look(), look()] == [36, 0]
    for file in cache.glob("se-nas/pictures/*"):
        file.write_bytes(b"\xff[")  # a damaged cache is none
    assert look() == 36
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/cache")  # one that cannot be written
    assert [look(), look()] == [36, 36]


def test_a_class_needs_a_picture_that_can_be_read(tmp_path: Path) -> None:
    for path in (folder(tmp_path, each=2) / "test/b").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"no picture of class 'b' can be read in the test part"):
        load("imagefolder", tmp_path, image_size=16, skip_corrupt=True)


@pytest.mark.parametrize("name", ["digits", "mine.py"])
@pytest.mark.parametrize("there", [False, True])
def test_a_folder_for_data_that_takes_none(tmp_path: Path, name: str, there: bool) -> None:
    (tmp_path / "mine.py").write_text("DATA = None")
    given = folder(tmp_path / "photos") if there else tmp_path / "nowhere"
    name = str(tmp_path / name) if name == "mine.py" else name
    with pytest.raises(InputError, match=r"data_dir is '.*'; .*(imagefolder|own data)"):
        load(name, given)


def test_the_data_set_that_a_folder_is_likely_to_be(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(InputError, match="give the data set `cifar10` too"):
        load("digits", tmp_path)
    (tmp_path / "idx").mkdir()
    (tmp_path / "idx/train-images-idx3-ubyte.gz").write_bytes(struct.pack(">I", 2051))
    with pytest.raises(InputError, match="give the data set `fashion_mnist` too"):
        load("digits", tmp_path / "idx")


def test_skip_corrupt_is_for_single_files() -> None:
    with pytest.raises(InputError, match="skip_corrupt is for single picture files"):
        load("digits", skip_corrupt=True)


def test_other_names_of_the_parts_are_named(tmp_path: Path) -> None:
    folder(tmp_path, ("train", "validation"))
    with pytest.raises(
        InputError, match=r"val/ or test/ is missing .*\(it has train, validation\)"
    ):
        load("imagefolder", tmp_path)
