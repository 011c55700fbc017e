"""Example images with which a network is traced and compared."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from se_nas.cost.network_cost import height_width, parts
from se_nas.errors import InputError
from se_nas.nn.model import Model


def example(model: Model, input_size: int | tuple[int, int] | None = None) -> Tensor:
    """Return two images of noise as ``model`` takes them: (2, in_channels, H, W).

    Without a size they have that of the images that it was trained on, else the family's own.

    Raises:
        InputError: ``model`` is none of ours, or images of that size are too small for it.
    """
    check_kind(model, "export")
    if input_size is None and model.preprocessing is not None:
        input_size = model.preprocessing.image_size
    height, width = height_width(model.architecture.trunk, input_size)
    parts(model.architecture, input_size=(height, width))  # by arithmetic, before torch complains
    parameter = next(model.parameters())
    noise = torch.randn(
        2, image_channels(model), height, width, generator=torch.Generator().manual_seed(0)
    )
    return noise.to(parameter)


def image_channels(model: Model) -> int:
    """Return the channels of the images that the first convolution takes, whoever put it in."""
    for name in model.stem_names:
        stem: nn.Module | None = getattr(model, name, None)
        for module in () if stem is None else stem.modules():
            if isinstance(module, nn.Conv2d):
                return module.in_channels
    return model.in_channels


def check_kind(model: object, what: str) -> None:
    """Raise an ``InputError`` if ``model`` is none of ours."""
    if not isinstance(model, Model):
        raise InputError(
            f"{what} takes a model of se_nas.materialize, not a {type(model).__name__}"
        )
