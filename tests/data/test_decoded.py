"""Pictures that are decoded once: the same pixels, and never those of another picture."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from made_data import write_folder
from PIL import Image

from se_nas.data import FolderImages, decoded, load, train_loader
from se_nas.data.decoded import decoded_folder, fits, open_decoded
from se_nas.data.pictures import ImageError, open_picture
from se_nas.search.cluster.leftovers import leftovers


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "a.png"
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return str(path)


def never(path: str) -> Image.Image:
    raise AssertionError("decoded again")


def test_a_picture_is_decoded_once(picture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fits([picture])
    first = open_decoded(picture)
    assert len(os.listdir(decoded_folder())) == 1
    monkeypatch.setattr(decoded, "open_picture", never)
    second = open_decoded(picture)
    assert second.mode == "RGB"
    assert np.array_equal(np.asarray(first), np.asarray(second))


def test_another_picture_in_its_place_is_read_anew(picture: str) -> None:
    assert fits([picture])
    open_decoded(picture)
    before = os.stat(picture)
    Image.new("RGB", (8, 8), "red").save(picture)
    os.utime(picture, ns=(before.st_atime_ns, before.st_mtime_ns))  # its size is another
    assert open_decoded(picture).size == (8, 8)
    Image.new("RGB", (8, 8), "blu" + "e").save(picture)
    assert open_decoded(picture).getpixel((0, 0)) == (0, 0, 255)


def test_a_file_that_a_crash_cut_is_made_again(picture: str) -> None:
    assert fits([picture])
    whole = np.asarray(open_decoded(picture))
    [file] = decoded_folder().iterdir()
    content = file.read_bytes()
    for cut in (content[:-100], content[:20], b"", b"\x93NUMPY" + b"\xff" * 100):
        file.write_bytes(cut)
        assert np.array_equal(np.asarray(open_decoded(picture)), whole)
        assert file.read_bytes() == content


def test_a_folder_of_somebody_else_is_not_read(picture: str) -> None:
    decoded_folder().mkdir(mode=0o777)
    decoded_folder().chmod(0o777)
    assert not fits([picture])
    open_decoded(picture)
    assert os.listdir(decoded_folder()) == []


def test_what_is_too_large_is_not_kept(picture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded, "MOST", 20 * 30 * 3 * 2)
    assert fits([picture] * 2)
    assert not fits([picture] * 3)
    assert not fits([])
    assert not fits(["nowhere.png"])
    open_decoded(picture)
    assert fits([picture] * 2)
    assert os.listdir(decoded_folder()) == [], "room was made"


def test_a_full_disk_costs_the_copy_alone(picture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fits([picture])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(decoded.np, "save", full)
    assert open_decoded(picture).size == (30, 20)
    assert os.listdir(decoded_folder()) == []


def test_a_damaged_picture_is_told_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "b.png"
    path.write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"b\.png"):
        open_decoded(str(path))
    with pytest.raises(ImageError, match=r"c\.png"):
        open_decoded(str(tmp_path / "c.png"))


def test_a_data_set_gives_the_same_batches(tmp_path: Path) -> None:
    write_folder(tmp_path / "images")
    data = load("imagefolder", tmp_path / "images", image_size=16, val_images=4)
    assert isinstance(data.test, FolderImages)
    assert data.test.decoded
    batches = [data.test.__getitems__([*range(12)])[0] for _ in range(2)]
    assert batches[0].equal(batches[1])
    assert len(os.listdir(decoded_folder())) == 12
    assert open_picture(data.test.paths[0]).size == (20, 20)
    [*_] = train_loader(data.train, 4, seed=0, epoch=0, workers=2)
    assert len(os.listdir(decoded_folder())) == 12 + len(data.train)
    found = [each.path for each in leftovers(folders=[])]
    assert decoded_folder() in found
