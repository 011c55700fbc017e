"""Evaluation of a network over a loader: accuracy, also of rare classes, and cross-entropy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from se_nas.data.images import Batch
from se_nas.errors import InputError


@dataclass(frozen=True)
class Metrics:
    """Metrics of a set of images.

    Attributes:
        accuracy: share classified right.
        loss: mean cross-entropy.
        images: how many.
        balanced_accuracy, macro_f1: mean recall and mean F1 of the classes that are there; NaN
            where only the accuracy is known.
    """

    accuracy: float
    loss: float
    images: int
    balanced_accuracy: float = float("nan")
    macro_f1: float = float("nan")

    def shares(self) -> dict[str, float]:
        """Return the metrics that tell of rare classes, if they are known."""
        found = {"balanced_accuracy": self.balanced_accuracy, "macro_f1": self.macro_f1}
        return {name: value for name, value in found.items() if not math.isnan(value)}


@dataclass(frozen=True)
class Tally:
    """Sums over images, from which the metrics come; those of two halves add up.

    Attributes:
        counts: images of each class, taken for it, and both; [3, classes].
        loss: sum of the cross-entropies.
    """

    counts: Tensor
    loss: Tensor

    def metrics(self) -> Metrics:
        """Return the means.

        Raises:
            InputError: there are no images.

        >>> found = Tally(torch.tensor([[3, 1], [2, 2], [2, 1]]), torch.tensor(0.5)).metrics()
        >>> found.accuracy, found.loss, found.images, round(found.balanced_accuracy, 3)
        (0.75, 0.125, 4, 0.833)
        """
        images, found, right = self.counts.double()
        count, there = int(images.sum()), images > 0
        if count == 0:
            raise InputError("there are no images to evaluate on")
        return Metrics(
            float(right.sum()) / count,
            float(self.loss) / count,
            count,
            float((right / images)[there].mean()),
            float((2 * right / (images + found))[there].mean()),
        )


def evaluate(model: nn.Module, loader: Iterable[Batch], device: torch.device | str) -> Metrics:
    """Compute accuracy and cross-entropy in eval mode and float32, and restore the mode.

    Args:
        model: images (N, C, H, W) → logits (N, classes), on ``device``.
        loader: batches of images and labels (N,).
        device: where to compute.

    Raises:
        InputError: the loader has no images.
    """
    return tally(model, loader, device).metrics()


def tally(model: nn.Module, loader: Iterable[Batch], device: torch.device | str) -> Tally:
    """Return the sums of ``evaluate``; of no classes if the loader has no images."""
    was_training = model.training
    model.eval()
    counts = torch.zeros((3, 0), dtype=torch.int64, device=device)
    loss = torch.zeros((), dtype=torch.float64, device=device)
    with torch.inference_mode():
        for images_nchw, labels in loader:
            x_nchw, y = to_device(images_nchw, labels, torch.device(device))
            logits = model(x_nchw).float()
            found = logits.argmax(1)
            if not counts.shape[1]:
                counts = counts.new_zeros(3, logits.shape[1])
            one = torch.ones_like(y)
            for row, classes, amounts in zip(
                counts, (y, found, y), (one, one, (found == y).long()), strict=True
            ):
                row.scatter_add_(0, classes, amounts)
            loss += F.cross_entropy(logits, y, reduction="sum")
    model.train(was_training)
    return Tally(counts, loss)


def default_device() -> torch.device:
    """Return CUDA where there is a GPU, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def to_device(images_nchw: Tensor, labels: Tensor, device: torch.device) -> Batch:
    """Move a batch to ``device``, channels last."""
    x_nchw = images_nchw.to(device, non_blocking=True, memory_format=torch.channels_last)
    return x_nchw, labels.to(device, non_blocking=True)
