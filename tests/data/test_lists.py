"""Tables of paths and labels, and Places365's lists."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from made_data import write_pictures, write_places

from se_nas.data import FolderImages, load
from se_nas.errors import InputError

HEADER = ("path", "label")


def write_table(path: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> Path:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_a_table_without_a_split_holds_out_a_fifth_of_each_class(tmp_path: Path) -> None:
    names = write_pictures(tmp_path / "pictures", 40)
    rows = [(f"pictures/{name}", ("tern", "gull")[i % 2]) for i, name in enumerate(names)]
    path = write_table(tmp_path / "birds.csv", rows)
    data = load("table", path, image_size=8, val_images=4)
    assert data.summary() == "table: 2 classes, 3×8×8, 28 train, 4 val, 8 test"
    assert data.classes == ("gull", "tern")
    assert data.test.labels.tolist().count(0) == 4
    parts = [part.paths for part in (data.train, data.val, data.test)]  # type: ignore[union-attr]
    assert sorted(sum(parts, ())) == sorted(str(tmp_path / path) for path, _ in rows)
    again = load("table", path, image_size=8, val_images=4)
    assert isinstance(again.test, FolderImages)
    assert again.test.paths == parts[2]
    images, labels = data.train.__getitems__([0, 1])
    assert (images.shape, labels.shape) == ((2, 3, 8, 8), (2,))


@pytest.mark.parametrize("parts", [("train", "test"), ("train", "val"), ("train", "val", "test")])
def test_a_table_with_a_split_is_taken_as_it_is(tmp_path: Path, parts: tuple[str, ...]) -> None:
    names = write_pictures(tmp_path, 24)
    rows = [(name, str(i % 2), parts[i // 2 % len(parts)]) for i, name in enumerate(names)]
    path = write_table(tmp_path / "t.csv", rows, ("path", "label", "split"))
    data = load("table", path, image_size=8)
    given = {name: {str(tmp_path / row[0]) for row in rows if row[2] == name} for name in parts}
    assert isinstance(data.test, FolderImages)
    assert isinstance(data.val, FolderImages)
    assert set(data.test.paths) == given["test" if "test" in parts else "val"]
    if len(parts) == 3:
        assert set(data.val.paths) == given["val"]
    else:
        assert set(data.val.paths) < given["train"]


def test_a_parquet_file_is_a_table_too(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    names = write_pictures(tmp_path, 20)
    frame = pandas.DataFrame({"path": names, "label": [i % 2 for i in range(20)], "more": 1.5})
    frame.to_parquet(tmp_path / "t.parquet")
    data = load("table", tmp_path / "t.parquet", image_size=8)
    assert data.classes == ("0", "1")


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        (("file", "label"), [("a.png", "x")], r"no column 'path'; its columns: file, label"),
        (HEADER, [], r"has no column 'path'; its columns: none"),
        (HEADER, [("a.png", "x"), ("b.png", "")], r"row 3: path or label is empty"),
        ((*HEADER, "split"), [("a", "x", "trian")], r"row 2: split is 'trian'; allowed: train"),
        ((*HEADER, "split"), [("a", "x", "train")], r"no row whose split is val or test"),
        ((*HEADER, "split"), [("a", "x", "test")], r"no row whose split is train"),
        (
            (*HEADER, "split"),
            [("a", "x", "train"), ("b", "y", "train"), ("c", "x", "test")],
            r"class 'y' has no row whose split is test",
        ),
        (HEADER, [("a", "x"), ("b", "x"), ("c", "x")], r"one class only"),
    ],
)
def test_a_table_that_cannot_be_used(
    tmp_path: Path, header: Sequence[str], rows: Any, message: str
) -> None:
    path = write_table(tmp_path / "t.csv", rows, header)
    with pytest.raises(InputError, match=message):
        load("table", path)


def test_a_picture_of_a_table_that_is_not_there(tmp_path: Path) -> None:
    names = [*write_pictures(tmp_path, 20), "gone.png"]
    path = write_table(tmp_path / "t.csv", [(name, str(i % 2)) for i, name in enumerate(names)])
    with pytest.raises(InputError, match=r"gone\.png"):
        load("table", path, check_pictures=True)
    data = load("table", path, image_size=8, skip_corrupt=True)
    assert list(data.skipped) == ["gone.png"]


@pytest.mark.parametrize("given", [None, "folder", "gone.csv"])
def test_no_table(tmp_path: Path, given: str | None) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"data_dir is .*; a table is a \.csv or \.parquet"):
        load("table", given and tmp_path / given)


@pytest.mark.parametrize("small", [True, False])
def test_places365_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: bool) -> None:
    write_places(tmp_path, monkeypatch, small)
    data = load("places365", tmp_path, image_size=8, val_images=3, check_pictures=True)
    assert data.summary() == "places365: 3 classes, 3×8×8, 12 train, 3 val, 6 test"
    assert data.classes == ("/a/abbey", "/b/bar/indoor", "/z/zoo")
    assert data.test.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert data.train.__getitems__([0])[0].shape == (1, 3, 8, 8)


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("places365_val.txt", r"places365_val\.txt is missing; expected: categories_places365"),
        ("val_256", r"val_256 is missing; expected"),
    ],
)
def test_places365_that_lacks_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str, message: str
) -> None:
    write_places(tmp_path, monkeypatch, small=True)
    (tmp_path / lost).rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=message):
        load("places365", tmp_path)


def test_places365_that_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_places(tmp_path, monkeypatch, small=True)
    (tmp_path / "places365_val.txt").write_text("0.png 7\n")
    with pytest.raises(InputError, match=r"places365_val\.txt is damaged \(MD5"):
        load("places365", tmp_path)
