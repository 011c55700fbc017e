"""Loaders whose order is a function of the seed and the epoch alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, WeightedRandomSampler

from se_nas.data import shared_memory
from se_nas.data.data_set import Images
from se_nas.data.dataset_images import DatasetImages
from se_nas.data.images import Batch, RamImages
from se_nas.values import whole


def mixed_seed(*numbers: int) -> int:
    """Mix several numbers into one 64-bit seed: (1, 0) and (0, 1) have nothing in common.

    >>> mixed_seed(0, 1) == mixed_seed(0, 1), mixed_seed(0, 1) == mixed_seed(1, 0)
    (True, False)
    """
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def train_loader(
    images: Images,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    device: torch.device | str = "cpu",
    workers: int | None = None,
    balanced: bool = False,
) -> DataLoader[Batch]:
    """Shuffle the batches of one epoch: the same for the same seed and epoch.

    Augmentation draws from torch's global generator for images in RAM, else from the workers',
    which the seed and the epoch seed as well (the number of workers then matters).

    Args:
        images: the training part.
        batch_size: images in a batch; the last may have fewer. A last one of a single image is
            left out, since batch norm cannot train on it.
        seed: of the training run.
        epoch: from 0.
        device: where the batches go; memory is pinned for CUDA.
        workers: processes that decode files; None for 0 with images in RAM and up to 4 else.

        balanced: draw with replacement, each class as often as another on average.

    >>> from se_nas.data import load
    >>> len(train_loader(load("digits").train, 64, seed=0, epoch=0))
    18
    """
    batch_size = whole("batch_size", batch_size, 1)
    generator = torch.Generator().manual_seed(mixed_seed(seed, epoch))
    sampler: WeightedRandomSampler | None = None
    if balanced:
        shares = 1 / torch.bincount(images.labels).clamp(min=1).double()
        sampler = WeightedRandomSampler(
            shares[images.labels].tolist(), len(images), generator=generator
        )
    return DataLoader(
        images,
        batch_size,
        shuffle=sampler is None,
        sampler=sampler,
        drop_last=len(images) % batch_size == 1,
        generator=generator,
        pin_memory=torch.device(device).type == "cuda",
        **_processes(images, batch_size, workers),
    )


def eval_loader(
    images: Images,
    batch_size: int = 500,
    *,
    device: torch.device | str = "cpu",
    workers: int | None = None,
) -> DataLoader[Batch]:
    """Return all images in their order; arguments as in ``train_loader``."""
    return DataLoader(
        images,
        whole("batch_size", batch_size, 1),
        generator=torch.Generator().manual_seed(0),
        pin_memory=torch.device(device).type == "cuda",
        **_processes(images, batch_size, workers),
    )


def _processes(images: Images, batch_size: int, workers: int | None) -> dict[str, Any]:
    """Return a loader's processes, and how they pass batches on on this machine."""
    count = images.default_workers if workers is None else workers
    if not count or not shared_memory.processes_serve():
        return {"num_workers": 0, "collate_fn": _identity_collate}
    held = shared_memory.serves(batch_size * _bytes_of_one(images), count)
    return {"num_workers": count, "collate_fn": _identity_collate if held else shared_memory.Piped}


def _bytes_of_one(images: Images) -> int:
    """Return the bytes of an image as it is given out, float32."""
    if isinstance(images, RamImages):
        return 4 * math.prod(images.images_nchw.shape[1:])
    if isinstance(images, DatasetImages):
        return 4 * math.prod(images.shape)
    return 4 * 3 * images.image_size**2 * images.views


def _identity_collate(batch: Any) -> Any:
    # ``__getitems__`` has made the batch already.
    return batch
