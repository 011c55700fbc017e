"""The optimizer of a recipe: learning rates, precision, and the norms that it leaves alone."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from se_nas.training.recipes import Recipe


def learning_rate(recipe: Recipe, epochs_done: float, epochs: int) -> float:
    """Return the learning rate: linear warm-up, then half a cosine down to 0, or steps.

    >>> [round(learning_rate(Recipe(warmup_epochs=1), e, 4), 3) for e in (0.5, 1, 2.5, 4)]
    [0.05, 0.1, 0.05, 0.0]
    """
    warmup = min(recipe.warmup_epochs, epochs / 2)
    if epochs_done < warmup:
        return recipe.learning_rate * epochs_done / warmup
    if recipe.schedule == "steps":
        # A step's rate is asked for at its end: the step that ends with a drop comes before it.
        past = sum(epochs_done > drop * epochs + 1e-9 * epochs for drop in recipe.drops)
        return float(recipe.learning_rate * recipe.drop_factor**past)
    share = (epochs_done - warmup) / (epochs - warmup)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Build the recipe's optimizer; biases and norms are not decayed."""
    parameters = list(model.parameters())
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate)
    return torch.optim.SGD(
        groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov
    )


def freeze_norms(model: nn.Module) -> None:
    """Keep parameters and statistics of the batch norms as they are, for an epoch of training."""
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.SyncBatchNorm)):
            module.eval().requires_grad_(False)


def amp_dtype(recipe: Recipe, device: torch.device) -> torch.dtype | None:
    """Return the type of autocast on the device; None: everything in float32."""
    if recipe.amp == "off" or device.type != "cuda":
        return None
    # Older GPUs only imitate bfloat16, slowly.
    real = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if real else torch.float16
