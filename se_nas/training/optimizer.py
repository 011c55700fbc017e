"""The optimizer of a recipe: learning rates, precision, and the norms that it leaves alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from se_nas.errors import InputError
from se_nas.training.recipe import Recipe


def learning_rate(recipe: Recipe, epochs_done: float, epochs: int, drops: int = 0) -> float:
    """Return the learning rate: linear warm-up, then half a cosine down to 0, or steps.

    Args:
        recipe: its ``schedule`` says which.
        epochs_done: epochs behind the end of the step, with fractions.
        epochs: the whole budget.
        drops: how often the loss has stayed, for ``plateau`` (``plateaus``).

    >>> [round(learning_rate(Recipe(warmup_epochs=1), e, 4), 3) for e in (0.5, 1, 2.5, 4)]
    [0.05, 0.1, 0.05, 0.0]
    """
    warmup = min(recipe.warmup_epochs, epochs / 2)
    if epochs_done < warmup:
        return recipe.learning_rate * epochs_done / warmup
    if recipe.schedule == "plateau":
        return float(recipe.learning_rate * recipe.drop_factor**drops)
    if recipe.schedule == "steps":
        # A step's rate is asked for at its end: the step that ends with a drop comes before it.
        past = sum(epochs_done > drop * epochs + 1e-9 * epochs for drop in recipe.drops)
        return float(recipe.learning_rate * recipe.drop_factor**past)
    share = (epochs_done - warmup) / (epochs - warmup)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def plateaus(losses: Sequence[float], patience: int) -> int:
    """Count how often the losses of epochs were not below their least for ``patience`` epochs.

    >>> plateaus([3.0, 2.0, 2.0, 2.1, 1.9, 1.95, 2.0, 1.9, 1.9], patience=2)
    3
    """
    least, stayed, found = math.inf, 0, 0
    for loss in losses:
        least, stayed = (loss, 0) if loss < least else (least, stayed + 1)
        if stayed == patience:
            found, stayed = found + 1, 0
    return found


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Build the recipe's optimizer; biases and norms are not decayed."""
    parameters = list(model.parameters())
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "lamb":
        try:
            from timm.optim import Lamb  # type: ignore[attr-defined]
        except ImportError:
            raise InputError(
                "optimizer 'lamb' of the recipe is timm's, which is not installed: pip install timm"
            ) from None
        return Lamb(groups, lr=recipe.learning_rate)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate)
    return torch.optim.SGD(
        groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov
    )


def moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Return what ``AveragedModel`` averages a tensor by: of the past it keeps ``decay``.

    After n averages it keeps no more than (1 + n) / (10 + n), else a short training would end with
    weights near those that it began with.

    >>> moving = moving_average(0.9)
    >>> moving(torch.tensor(0.0), torch.tensor(1.0), 1000), moving(
    ...     torch.tensor(0.0), torch.tensor(1.0), 8)
    (tensor(0.1000), tensor(0.5000))
    """

    def moved(average: Tensor, now: Tensor, count: Tensor | int) -> Tensor:
        if not now.is_floating_point():
            return now
        kept = min(decay, (1 + int(count)) / (10 + int(count)))
        return torch.lerp(average, now, 1 - kept)

    return moved


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
