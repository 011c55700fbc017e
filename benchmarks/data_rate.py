"""Images a second that reach a training: ours, and a plain torchvision loader.

    python benchmarks/data_rate.py [--images 20000 --pictures 400 --workers 2]

*small*: 32 × 32 pixels as of CIFAR, padded, cropped and flipped; torchvision's transforms work on
one image after the other. *pictures*: JPEG files of 500 × 375 pixels, a random part of each at 224.
Both are made here, of noise and smooth colours. Epochs take turns; the first is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from PIL import Image
from search_common import machine
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets, transforms

from se_nas.data import RamImages, load, train_loader

BATCH, MEAN, STD = 128, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
Loader = Callable[[int], Iterable[Any]]


class OneByOne(Dataset[Any]):
    """Images as torchvision's CIFAR10 gives them: a PIL image and its transform at a time."""

    def __init__(self, images_nhwc: Any, transform: Any) -> None:
        self.images, self.transform = images_nhwc, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int) -> tuple[Any, int]:
        return self.transform(Image.fromarray(self.images[position])), position % 10


def small(count: int, workers: int) -> tuple[Loader, Loader]:
    """Return loaders of an epoch of small images: ours and torchvision's."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)
    labels = torch.arange(count) % 10
    own = RamImages.of(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()), labels, padding=4)
    prepared = own.prepared(own.statistics(), augment=True)
    steps = [transforms.RandomCrop(32, 4), transforms.RandomHorizontalFlip()]
    steps += [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    plain = OneByOne(pixels, transforms.Compose(steps))
    return (
        lambda epoch: train_loader(prepared, BATCH, seed=0, epoch=epoch),
        lambda epoch: DataLoader(plain, BATCH, shuffle=True, num_workers=workers),
    )


def pictures(folder: Path, count: int, workers: int) -> tuple[Loader, Loader]:
    """Return loaders of an epoch of picture files at 224 pixels: ours and torchvision's."""
    random = np.random.default_rng(0)
    for part, images in (("train", count), ("val", 20)):
        for i in range(images):
            path = folder / part / str(i % 2) / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8))
            coarse.resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)
    own = load("imagefolder", folder, val_images=2)
    steps = [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip()]
    steps += [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    plain = datasets.ImageFolder(str(folder / "train"), transforms.Compose(steps))
    return (
        lambda epoch: train_loader(own.train, BATCH, seed=0, epoch=epoch, workers=workers),
        lambda epoch: DataLoader(plain, BATCH, shuffle=True, num_workers=workers),
    )


def rates(loaders: tuple[Loader, Loader], epochs: int) -> list[float]:
    """Return the median images a second of each, their epochs in turn."""
    found: list[list[float]] = [[], []]
    for epoch in range(epochs + 1):
        for own, loader in zip(found, loaders, strict=True):
            began = time.perf_counter()
            images = sum(len(batch[1]) for batch in loader(epoch))
            own.append(images / (time.perf_counter() - began))
    return [statistics.median(own[1:]) for own in found]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--workers", type=int, default=2, help="processes that read")
    parser.add_argument("--epochs", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine()}; {given.workers} processes that read")
    print(f"{'images a second':<18}{'ours':>9}{'torchvision':>13}{'ratio':>8}{'bar':>6}")
    with tempfile.TemporaryDirectory() as folder:
        for name, loaders, bar in (
            ("small", small(given.images, given.workers), 3.0),
            ("pictures", pictures(Path(folder), given.pictures, given.workers), 1.0),
        ):
            ours, plain = rates(loaders, given.epochs)
            print(f"{name:<18}{ours:>9,.0f}{plain:>13,.0f}{ours / plain:>8.2f}{bar:>6.1f}")


if __name__ == "__main__":
    main()
