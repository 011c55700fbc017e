"""Small data in the form of the real: files that the tests make."""

from __future__ import annotations

import gzip
import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets


def made(count: int, channels: int, size: int, classes: int, seed: int) -> tuple[Any, Any]:
    """Different images (count, channels, size, size) and labels that use every class."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, channels, size, size)).astype(np.uint8)
    return images, np.arange(count) % classes


def idx(values: Any) -> bytes:
    shape = b"".join(int(length).to_bytes(4, "big") for length in values.shape)
    return bytes((0, 0, 8, values.ndim)) + shape + values.astype(np.uint8).tobytes()


def write_fashion(folder: Path, *, packed: bool = False, train: int = 100) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part, count, seed in (("train", train, 1), ("t10k", 30, 2)):
        images, labels = made(count, 1, 28, 10, seed)
        for kind, values in (("images-idx3", images[:, 0]), ("labels-idx1", labels)):
            path = folder / f"{part}-{kind}-ubyte"
            if packed:
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(idx(values)))
            else:
                path.write_bytes(idx(values))
    return folder


def write_folder(root: Path, parts: tuple[str, ...] = ("train", "test"), each: int = 6) -> Path:
    for number, part in enumerate(parts):
        for label, name in enumerate(("cat", "dog")):
            (root / part / name).mkdir(parents=True)
            images, _ = made(each, 3, 20, 2, 10 * number + label)
            for i, image in enumerate(images):
                Image.fromarray(image.transpose(1, 2, 0)).save(root / part / name / f"{i}.png")
    return root


def write_pictures(folder: Path, count: int) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    pixels, _ = made(count, 3, 12, 2, seed=0)
    names = [f"{i}.png" for i in range(count)]
    for name, image in zip(names, pixels, strict=True):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / name)
    return names


def write_cifar(
    root: Path, monkeypatch: pytest.MonkeyPatch, reader: Any, classes: int, train: int
) -> Path:
    """Batches like the real ones; the reader is told their MD5s in place of the real ones."""
    folder = root / reader.base_folder
    folder.mkdir(parents=True)
    fine = "fine_labels" if classes == 100 else "labels"
    for attribute, seed, count in (("train_list", 1, train), ("test_list", 50, classes)):
        listed = []
        for i, (name, _) in enumerate(getattr(reader, attribute)):
            images, labels = made(count, 3, 32, classes, seed + i)
            batch = {"data": images.reshape(count, -1), fine: labels.tolist()}
            # NumPy once wrote a dtype's flags as 0 and 1; the real files have them.
            content = pickle.dumps(batch, protocol=2)
            assert b"\x89\x88\x87" in content
            content = content.replace(b"\x89\x88\x87", b"K\0K\1\x87")
            (folder / name).write_bytes(content)
            listed.append([name, hashlib.md5(content).hexdigest()])
        monkeypatch.setattr(reader, attribute, listed)
    content = pickle.dumps({reader.meta["key"]: [str(i) for i in range(classes)]}, protocol=2)
    (folder / reader.meta["filename"]).write_bytes(content)
    md5 = hashlib.md5(content).hexdigest()
    monkeypatch.setattr(reader, "meta", {**reader.meta, "md5": md5})
    return folder


def write_places(root: Path, monkeypatch: pytest.MonkeyPatch, small: bool) -> Path:
    """Files as the real ones; the reader is told their MD5s in place of the real ones."""
    reader, size = datasets.Places365, "256" if small else "large"
    classes = ("/a/abbey", "/b/bar/indoor", "/z/zoo")
    texts = {"categories_places365.txt": [f"{name} {i}" for i, name in enumerate(classes)]}
    for split, folder, count in (("train_standard", "data_", 15), ("val", "val_", 6)):
        names = write_pictures(root / f"{folder}{size}{'_standard' * (count == 15)}", count)
        slash = "/" * (count == 15)
        texts[f"places365_{split}.txt"] = [f"{slash}{n} {i % 3}" for i, n in enumerate(names)]
    sums = {}
    for name, lines in texts.items():
        content = "\n".join(lines).encode() + b"\n"
        (root / name).write_bytes(content)
        sums[name] = hashlib.md5(content).hexdigest()
    categories = "categories_places365.txt"
    monkeypatch.setattr(reader, "_CATEGORIES_META", (categories, sums[categories]))
    lists = {
        split: (name, sums[name])
        for split, name in (
            ("train-standard", "places365_train_standard.txt"),
            ("val", "places365_val.txt"),
        )
    }
    monkeypatch.setattr(reader, "_FILE_LIST_META", lists)
    return root
