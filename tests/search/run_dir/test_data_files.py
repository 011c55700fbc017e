"""The files of a run's images, compared when it is taken up."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from se_nas.data import Data, load
from se_nas.errors import InputError
from se_nas.search.run_dir.data_files import DATA_FILES, check_data_files, write_data_files
from se_nas.search.run_dir.directory import RunDirectory


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def photos(root: Path) -> Path:
    for part in ("train", "test"):
        for name in "ab":
            (root / part / name).mkdir(parents=True)
            for i in range(4):
                pixels = np.full((9 + i, 9, 3), i, np.uint8)
                Image.fromarray(pixels).save(root / part / name / f"{i}.bmp")
    return root


def read(root: Path) -> Data:
    return load("imagefolder", root, image_size=8, val_images=2, skip_corrupt=True)


def test_the_same_files_pass_and_so_do_moved_ones(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    (photos(tmp_path / "here") / "train/a/0.bmp").write_bytes(b"")
    write_data_files(run, read(tmp_path / "here"))
    check_data_files(run, read(tmp_path / "here"))
    (tmp_path / "here").rename(tmp_path / "there")
    check_data_files(run, read(tmp_path / "there"))
    found = json.loads(gzip.decompress((tmp_path / DATA_FILES).read_bytes()))
    assert list(found["skipped"]) == ["train/a/0.bmp"]
    assert len(found["files"]) == 16


def test_what_changed_is_named(tmp_path: Path) -> None:
    run, root = RunDirectory(tmp_path), photos(tmp_path / "photos")
    write_data_files(run, read(root))
    (root / "train/a/0.bmp").unlink()
    (root / "train/a/1.bmp").rename(root / "train/a/9.bmp")
    (root / "test/b/2.bmp").write_bytes((root / "test/b/3.bmp").read_bytes())
    with pytest.raises(InputError) as caught:
        check_data_files(run, read(root))
    assert (
        "of 16 files 2 gone (train/a/0.bmp, train/a/1.bmp), 1 new (train/a/9.bmp), "
        "1 of another size (test/b/2.bmp)"
    ) in str(caught.value)


def test_a_run_of_an_earlier_version_has_them_from_now_on(tmp_path: Path) -> None:
    run, root = RunDirectory(tmp_path), photos(tmp_path / "photos")
    check_data_files(run, read(root))
    (root / "train/a/0.bmp").unlink()
    with pytest.raises(InputError, match="1 gone"):
        check_data_files(run, read(root))


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", gzip.compress(b"[1]"), gzip.compress(b"{")],
    ids=["empty", "not packed", "no object", "no JSON"],
)
def test_a_damaged_list_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / DATA_FILES).write_bytes(content)
    with pytest.raises(InputError, match=r"data.json.gz' is damaged"):
        check_data_files(RunDirectory(tmp_path), read(photos(tmp_path / "photos")))


def test_data_of_no_files_has_none(tmp_path: Path) -> None:
    write_data_files(RunDirectory(tmp_path), load("digits"))
    check_data_files(RunDirectory(tmp_path), load("digits"))
    assert not (tmp_path / DATA_FILES).exists()
