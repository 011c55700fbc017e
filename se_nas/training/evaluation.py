"""Evaluation of a network: accuracy and cross-entropy over a loader."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from se_nas.data.images import Batch
from se_nas.errors import InputError


@dataclass(frozen=True)
class Metrics:
    """Metrics of a set of images: share classified right, mean cross-entropy, how many images."""

    accuracy: float
    loss: float
    images: int


def evaluate(model: nn.Module, loader: Iterable[Batch], device: torch.device | str) -> Metrics:
    """Compute accuracy and cross-entropy in eval mode and float32, and restore the mode.

    Args:
        model: images (N, C, H, W) → logits (N, classes), on ``device``.
        loader: batches of images and labels (N,).
        device: where to compute.

    Raises:
        InputError: the loader has no images.
    """
    was_training = model.training
    model.eval()
    right = torch.zeros((), dtype=torch.int64, device=device)
    loss_sum = torch.zeros((), dtype=torch.float64, device=device)
    images = 0
    with torch.inference_mode():
        for images_nchw, labels in loader:
            x_nchw, y = to_device(images_nchw, labels, torch.device(device))
            logits = model(x_nchw).float()
            right += (logits.argmax(1) == y).sum()
            loss_sum += F.cross_entropy(logits, y, reduction="sum")
            images += len(y)
    model.train(was_training)
    if images == 0:
        raise InputError("there are no images to evaluate on")
    return Metrics(int(right) / images, float(loss_sum) / images, images)


def default_device() -> torch.device:
    """Return CUDA where there is a GPU, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def to_device(images_nchw: Tensor, labels: Tensor, device: torch.device) -> Batch:
    """Move a batch to ``device``, channels last."""
    x_nchw = images_nchw.to(device, non_blocking=True, memory_format=torch.channels_last)
    return x_nchw, labels.to(device, non_blocking=True)
