"""Models by name or ``Architecture``: ``materialize`` and ``list_models``."""

from __future__ import annotations

import fnmatch
import os

import torch

from se_nas import trunks
from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import parts
from se_nas.errors import InputError
from se_nas.models.checkpoint_files import Weights
from se_nas.models.saving import preprocessing_of
from se_nas.models.weights import MissingSE, check_missing_se, load_weights
from se_nas.nn.model import Model
from se_nas.texts import written
from se_nas.values import whole
from se_nas.zoo import zoo


def materialize(
    name_or_architecture: str | Architecture,
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    weights: Weights | None = None,
    missing_se: MissingSE = "error",
    new_head: bool = False,
) -> Model:
    """Build the model that a name or an architecture stands for.

    Args:
        name_or_architecture: such as ``"se_resnet50_r16"``; ``list_models()`` has the names.
        num_classes: classes of the head.
        in_channels: channels of the images.
        weights: a safetensors or ``.pth`` path, or a state dict, in our own, torchvision's or
            timm's key layout for the same network; fresh He-initialised weights if not given.
        missing_se: ``identity`` lets a checkpoint without SE into a network with SE: the blocks
            that it lacks start as identities, so that the outputs are those of the checkpoint.
        new_head: leave the classifier fresh, whatever number of classes the checkpoint has.

    Returns:
        An ``nn.Module``: (N, in_channels, H, W) images → (N, num_classes) logits, in training mode
        with weights too, as torchvision's and timm's: call ``.eval()`` before inference.

    Raises:
        InputError: the name is unknown (the message has the nearest), or the weights do not fit.

    >>> model = materialize("se_resnet50_r16")
    >>> sum(p.numel() for p in model.parameters())
    28088024
    """
    architecture = Architecture.of(name_or_architecture)
    num_classes = whole("num_classes", num_classes, 1)
    in_channels = whole("in_channels", in_channels, 1)
    check_missing_se(missing_se)
    _check_memory(architecture, num_classes, in_channels)
    model = Model(architecture, num_classes, in_channels)
    if weights is not None:
        load_weights(model, weights, missing_se=missing_se, new_head=new_head)
        model.preprocessing = preprocessing_of(model, weights, new_head)
    return model


class TooLarge(InputError, MemoryError):
    """A network whose weights this machine has no memory for: a search goes on with others."""


def _check_memory(architecture: Architecture, num_classes: int, in_channels: int) -> None:
    """Refuse a network whose weights this machine has no memory for, before torch gives up."""
    found = parts(architecture, in_channels=in_channels, num_classes=num_classes)
    size = 4 * sum(part.params for part in found.values())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > memory and torch.get_default_device().type == "cpu":
        raise TooLarge(
            f"{architecture} with num_classes={num_classes} and in_channels={in_channels} has "
            f"{size / 1e9:,.0f} GB of weights; this machine has {memory / 1e9:,.0f} GB of memory"
        )


def list_models(pattern: str = "*") -> list[str]:
    """List the names of the named models that match a shell pattern.

    Any other name of the grammar in ``se_nas.architecture.names`` can be materialized as well.

    >>> list_models("se_resnet50*")[:2]
    ['se_resnet50_r16', 'se_resnet50_r16_conv3x3_nobias']
    """
    if not isinstance(pattern, str):
        raise InputError(f"pattern is {written(pattern)}; give a text such as 'se_resnet50*'")
    names = set(zoo.names()) | set(trunks.aliases())
    return sorted(name for name in names if fnmatch.fnmatch(name, pattern))
