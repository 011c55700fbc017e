"""Small data in the form of the real: files that the tests make."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np


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
