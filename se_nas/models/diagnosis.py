"""Guesses, from shapes alone, which model a checkpoint that does not fit belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import get_args

import torch
from torch import Tensor

from se_nas import trunks
from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import cost
from se_nas.nn.model import Model
from se_nas.se import SE, Rounding
from se_nas.zoo import zoo

# Of batch norms, in torchvision's, timm's and our own layout alike; no parameters.
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
SHOWN = 4


def matching_se(model: Model, found: Mapping[str, Tensor]) -> str | None:
    """Name the model with the checkpoint's SE widths; None if SE is in other blocks or widths."""
    ours = model.architecture
    in_se = {key: value for key, value in found.items() if ".se.fc" in key}
    bias = any(key.endswith("se.fc1.bias") for key in in_se)
    for rounding, reduction in product(get_args(Rounding), (16, 8, 4, 2, 32, 64)):
        same = {"rounding": rounding, "reduction": reduction, "bias": bias}
        right = Architecture(ours.trunk, tuple(replace(se or SE(), **same) for se in ours.se))
        with torch.device("meta"):
            target = Model(right, model.num_classes, model.in_channels).state_dict()
        wanted = {key: value for key, value in target.items() if ".se.fc" in key}
        if set(wanted) != set(in_se):
            return None
        if all(in_se[key].numel() == value.numel() for key, value in wanted.items()):
            return str(right)
    return None


def models_of_size(found: Mapping[str, Tensor]) -> list[str]:
    """List the models with exactly the checkpoint's number of parameters, by arithmetic."""
    tensors = [value for key, value in found.items() if not key.endswith(BUFFERS)]
    params = sum(value.numel() for value in tensors)
    classes = {value.shape[0] for value in tensors if value.ndim == 2}
    names = [*zoo.names(), *trunks.aliases()]
    return [name for name in names if any(_params(name, n) == params for n in classes)]


def _params(name: str, num_classes: int) -> int:
    return cost(name, num_classes=num_classes).params
