"""Readers of lists of pictures: a table of paths and labels, and Places365."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torchvision import datasets

from se_nas.data.images import FolderImages
from se_nas.data.source import LAYOUTS, Source, data_folder
from se_nas.data.split import stratified_split
from se_nas.errors import InputError
from se_nas.texts import written

PARTS = ("train", "val", "test")
Row = tuple[str, str, str]  # path, label, part


def table(data_dir: Path | None, image_size: int | None) -> Source:
    """Read a CSV or Parquet file with the columns ``path`` and ``label``, and perhaps ``split``.

    Paths are as they are, or from the folder of the file. ``split`` is ``train``, ``val`` or
    ``test``; without it a fifth of each class, always the same, is the test part.
    """
    if data_dir is None or not data_dir.is_file():
        given = "not given" if data_dir is None else f"{str(data_dir)!r}, which is no file"
        raise InputError(f"data_dir is {given}; a table is {LAYOUTS['table']}")
    rows = _rows(data_dir)
    classes = sorted({label for _, label, _ in rows})
    known = {label: i for i, label in enumerate(classes)}
    size = image_size or 224

    def part(chosen: Sequence[Row]) -> FolderImages:
        labels = torch.tensor([known[label] for _, label, _ in chosen], dtype=torch.long)
        paths = tuple(path for path, _, _ in chosen)
        return FolderImages(paths, labels, torch.arange(len(paths)), size)

    if any(split for _, _, split in rows):
        by_part = {name: [row for row in rows if row[2] == name] for name in PARTS}
        _check_parts(data_dir, by_part, classes)
        train = part(by_part["train"])
        test = part(by_part["test"] or by_part["val"])
        val = part(by_part["val"]) if by_part["val"] and by_part["test"] else None
    else:
        whole = part(rows)
        held_out, rest = stratified_split(
            whole.labels, max(len(classes), len(rows) // 5), seed=0, what="test part"
        )
        train, test, val = whole.select(rest), whole.select(held_out), None
    files = tuple(path for path, _, _ in rows)
    root = data_dir.parent
    return Source(len(classes), 3, size, train, test, val, tuple(classes), root, files)


def places365(data_dir: Path | None, image_size: int | None) -> Source:
    """Read Places365-Standard: 1.8 million pictures to train on, 36,500 to test, 365 classes.

    The small pictures of 256 × 256 where they are there, else the large ones. The labels of the
    official test part are not public: the test part is the official validation part.
    """
    folder, reader = data_folder("places365", data_dir), datasets.Places365
    splits = ("train-standard", "val")
    for file, md5 in (reader._CATEGORIES_META, *(reader._FILE_LIST_META[s] for s in splits)):
        path = folder / file
        if not path.is_file():  # else torchvision would load it from the network
            raise InputError(f"{path} is missing; expected: {LAYOUTS['places365']}")
        if not datasets.utils.check_integrity(str(path), md5):
            raise InputError(f"{path} is damaged (MD5 is not {md5}); get the file again")
    small = (folder / "data_256_standard").is_dir()
    found = [reader(str(folder), split=split, small=small) for split in splits]
    for part in found:
        if not os.path.isdir(part.images_dir):
            raise InputError(f"{part.images_dir} is missing; expected: {LAYOUTS['places365']}")
    size = image_size or 224
    train, test = (
        FolderImages(
            tuple(path for path, _ in part.imgs),
            torch.tensor(part.targets, dtype=torch.long),
            torch.arange(len(part)),
            size,
        )
        for part in found
    )
    files = (*train.paths, *test.paths)
    classes = tuple(sorted(found[0].class_to_idx, key=found[0].class_to_idx.__getitem__))
    return Source(len(classes), 3, size, train, test, None, classes, folder, files)


def _rows(path: Path) -> list[Row]:
    """Return (absolute path, label, part or nothing) of every row of a table."""
    try:
        records = _parquet(path) if path.suffix == ".parquet" else _csv(path)
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"table {str(path)!r} cannot be read: {error}") from None
    columns = list(records[0]) if records else []
    for column in ("path", "label"):
        if column not in columns:
            shown = ", ".join(map(str, columns[:8])) or "none"
            raise InputError(f"table {str(path)!r} has no column {column!r}; its columns: {shown}")
    rows = []
    for line, record in enumerate(records, start=2):
        cells = [record.get(name) for name in ("path", "label", "split")]
        picture, label, split = ("" if cell is None else str(cell).strip() for cell in cells)
        if not picture or not label:
            raise InputError(f"table {str(path)!r}, row {line}: path or label is empty")
        if "split" in columns and split not in PARTS:
            raise InputError(
                f"table {str(path)!r}, row {line}: split is {written(split)}; allowed: "
                f"{', '.join(PARTS)}"
            )
        rows.append((os.path.join(path.parent, picture), label, split))
    return rows


def _csv(path: Path) -> list[dict[str, object]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [dict(record) for record in csv.DictReader(file)]


def _parquet(path: Path) -> list[dict[str, object]]:
    try:
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]
    except ImportError:
        raise InputError(
            f"table {str(path)!r}: Parquet needs a package that is not installed: pip install "
            "pyarrow"
        ) from None
    rows: list[dict[str, object]] = parquet.read_table(path).to_pylist()
    return rows


def _check_parts(path: Path, by_part: dict[str, list[Row]], classes: list[str]) -> None:
    """Raise an ``InputError`` unless there is something to train on and something to test on."""
    if not by_part["train"] or not (by_part["test"] or by_part["val"]):
        lacking = "train" if not by_part["train"] else "val or test"
        raise InputError(f"table {str(path)!r} has no row whose split is {lacking}")
    for name, rows in by_part.items():
        missing = set(classes) - {label for _, label, _ in rows}
        if rows and missing:
            raise InputError(
                f"table {str(path)!r}: class {min(missing)!r} has no row whose split is {name}"
            )
