"""The loss of a recipe, and images and labels that are mixed for it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from se_nas.training.recipe import Recipe


def mixed(recipe: Recipe, x_nchw: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Mix a batch with itself as the recipe has it: MixUp or CutMix, one of them drawn.

    Args:
        recipe: its ``mixup`` and ``cutmix`` are the α of their Beta distributions.
        x_nchw: images (N, C, H, W).
        labels: int64 (N,).
        classes: how many there are.

    Returns:
        images and, if they are mixed, shares of the classes (N, classes); else the labels.
    """
    ways: list[Any] = []
    if recipe.mixup:
        ways.append(v2.MixUp(alpha=recipe.mixup, num_classes=classes))
    if recipe.cutmix:
        ways.append(v2.CutMix(alpha=recipe.cutmix, num_classes=classes))
    if not ways:
        return x_nchw, labels
    way = ways[int(torch.randint(len(ways), ()))]
    images, shares = way(x_nchw, labels)
    return images.contiguous(memory_format=torch.channels_last), shares


def loss_of(recipe: Recipe, logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss of a batch.

    Args:
        recipe: its ``loss`` and ``label_smoothing``.
        logits: (N, classes).
        targets: labels int64 (N,), or shares of the classes (N, classes).

    >>> logits, labels = torch.zeros(2, 4), torch.tensor([0, 3])
    >>> round(float(loss_of(Recipe(), logits, labels)), 4)  # log 4
    1.3863
    >>> round(float(loss_of(Recipe(loss="binary"), logits, labels)), 4)  # log 2
    0.6931
    """
    smoothing = recipe.label_smoothing
    if recipe.loss == "cross_entropy":
        return F.cross_entropy(logits, targets, label_smoothing=smoothing)
    classes = logits.shape[1]
    shares = F.one_hot(targets, classes).to(logits.dtype) if targets.ndim == 1 else targets
    smooth = shares * (1 - smoothing) + smoothing / classes
    return F.binary_cross_entropy_with_logits(logits, smooth.to(logits.dtype))
