"""Insertion of SE blocks into an existing network, so that its outputs stay as they were."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import nn

from se_nas import dsl
from se_nas.errors import InputError
from se_nas.nn.identity_init import can_start_neutral, set_neutral
from se_nas.nn.squeeze_excitation import SqueezeExcitation
from se_nas.se import SE
from se_nas.texts import written

Where: TypeAlias = str | Sequence[str] | Callable[[str], bool] | None

SUPPORTED = (
    "BasicBlock and Bottleneck of torchvision and timm; InvertedResidual of torchvision's "
    "MobileNet v2 and v3 and ShuffleNet v2; DepthwiseSeparableConv and InvertedResidual of timm"
)
# Class name of a block → the modules whose blocks are known, and its family.
BLOCKS = {
    ("torchvision.models.resnet", "BasicBlock"): "resnet",
    ("torchvision.models.resnet", "Bottleneck"): "resnet",
    ("torchvision.models.mobilenetv2", "InvertedResidual"): "mobilenet",
    ("torchvision.models.mobilenetv3", "InvertedResidual"): "mobilenet",
    ("torchvision.models.shufflenetv2", "InvertedResidual"): "shufflenet",
    ("timm.models.resnet", "BasicBlock"): "resnet",
    ("timm.models.resnet", "Bottleneck"): "resnet",
    ("timm.models._efficientnet_blocks", "DepthwiseSeparableConv"): "mobilenet",
    ("timm.models._efficientnet_blocks", "InvertedResidual"): "mobilenet",
}
ATTENTION = re.compile(r"Squeeze|^SE|Attn|Attention|Eca|Cbam|GatherExcite|GlobalContext")


@dataclass(frozen=True)
class Inserted:
    """An SE block that was put in: ``module``, once a layer, is now that layer and the block."""

    block: str
    module: str
    placement: str
    channels: int
    squeeze_width: int


@dataclass(frozen=True)
class Insertion:
    """Result of ``insert_se``: the changes, and the blocks that had channel attention already."""

    changed: tuple[Inserted, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class _Place:
    """Place of an SE block: beside ``module``, before or behind it.

    ``scaled`` is the layer whose output or input the block alone scales, None if there is none;
    a factor of 2 in its weights undoes a gate of ½.
    """

    module: str
    before: bool
    channels: int
    scaled: nn.Module | None


def insert_se(model: nn.Module, se: SE | None = None, where: Where = None) -> Insertion:
    """Put SE blocks into the residual blocks of a torchvision or timm network, in place.

    The blocks start as identities: with a sigmoid the outputs stay equal bit for bit, because the
    gate's ½ is undone by a factor of 2 in the batch norm or convolution beside it. Train or
    fine-tune the model afterwards: they learn from there.

    Args:
        model: a ResNet, ResNeXt, MobileNet or ShuffleNet v2, or a network with such blocks.
        se: the setting, ``SE()`` if not given; its placement as in our own trunks.
        where: shell patterns of block names (``"layer4.*"``), or a function of the name; all
            blocks if not given.

    Returns:
        The changes, and the names of blocks that were skipped because they have SE already.

    Raises:
        InputError: no block of a known kind is there, ``where`` finds none, the placement does not
            exist in a block, or a block could not start as an identity. Nothing was changed then.
    """
    se = SE() if se is None else se
    _check_arguments(model, se, where)
    kinds = {
        name: BLOCKS[key]
        for name, module in model.named_modules()
        if (key := (type(module).__module__, type(module).__name__)) in BLOCKS
    }
    if not kinds:
        raise InputError(
            f"insert_se finds no block that it knows in a {type(model).__name__}; "
            f"supported: {SUPPORTED}"
        )
    wanted = [name for name in kinds if _matches(name, where)]
    if not wanted:
        names = list(kinds)
        raise InputError(
            f"where={where!r} matches none of the {len(names)} blocks, {names[0]} … {names[-1]}"
        )
    skipped = [name for name in wanted if _has_attention(model.get_submodule(name))]
    places = {
        name: _place(name, model.get_submodule(name), kinds[name], se.placement)
        for name in wanted
        if name not in skipped
    }
    made = {name: _block(model.get_submodule(name), place, se) for name, place in places.items()}
    cannot = [
        name
        for name, place in places.items()
        if not can_start_neutral(made[name], scalable=place.scaled is not None)
    ]
    if cannot:
        raise InputError(
            f"with placement {se.placement!r} and gate {se.gate!r} (bias={se.bias}) the outputs "
            f"cannot stay equal in {len(cannot)} blocks ({', '.join(cannot[:4])}"
            f"{', …' if len(cannot) > 4 else ''}); the gate two_sigmoid can, anywhere"
        )
    changed: list[Inserted] = []
    for name, place in places.items():
        _insert(model, place, made[name])
        width = made[name].fc1.out_features
        changed.append(Inserted(name, place.module, se.placement, place.channels, width))
    return Insertion(tuple(changed), tuple(skipped))


def _check_arguments(model: object, se: object, where: object) -> None:
    if not isinstance(model, nn.Module):
        raise InputError(f"insert_se takes a torch.nn.Module, not a {type(model).__name__}")
    if not isinstance(se, SE) or dsl.is_template(se):
        raise InputError(f"se is {written(se)}; give one setting such as SE(reduction=16)")
    several = isinstance(where, Sequence) and all(isinstance(item, str) for item in where)
    if not (where is None or callable(where) or several):
        raise InputError(f"where is {where!r}; give patterns of block names, or a function of one")


def _matches(name: str, where: Where) -> bool:
    if where is None:
        return True
    if callable(where):
        return where(name)
    patterns = [where] if isinstance(where, str) else where
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _has_attention(block: nn.Module) -> bool:
    return any(ATTENTION.search(type(module).__name__) for module in block.modules())


def _place(name: str, block: nn.Module, kind: str, placement: str) -> _Place:
    """Find the place of a placement; the docstrings of our trunks say it of our blocks."""
    branch = block.branch2 if kind == "shufflenet" else block
    prefix = f"{name}.branch2." if kind == "shufflenet" else f"{name}."
    path = {
        id(module): f"{prefix}{child}"
        for child, module in branch.named_modules()  # type: ignore[union-attr]
    }
    layers = [
        module
        for child, module in branch.named_modules()  # type: ignore[union-attr]
        if not child.startswith("downsample")
    ]
    convs = [module for module in layers if isinstance(module, nn.Conv2d)]
    norms = [module for module in layers if isinstance(module, nn.BatchNorm2d)]
    if not convs or not norms:
        raise InputError(f"the block {name} has no convolution with a batch norm (nn.BatchNorm2d)")
    first, last, norm = convs[0], convs[-1], norms[-1]
    if placement == "pre":
        return _Place(path[id(first)], True, first.in_channels, first)
    if placement == "conv3x3" and last.kernel_size == (1, 1):
        return _Place(path[id(last)], True, last.in_channels, last)
    if placement == "post":
        out = last.out_channels * (2 if kind == "shufflenet" else 1)
        return _Place(name, False, out, None)
    if placement == "standard":
        end = layers[-1] if kind == "shufflenet" else norm  # the ReLU behind the norm
        return _Place(path[id(end)], False, last.out_channels, norm if _positive(norm) else None)
    if placement == "identity" and kind == "resnet":
        inside = [] if block.downsample is None else list(block.downsample.modules())  # type: ignore[union-attr]
        scaled = next((m for m in reversed(inside) if isinstance(m, nn.BatchNorm2d)), None)
        return _Place(f"{name}.downsample", False, last.out_channels, scaled)
    raise InputError(
        f"placement {placement!r}: the block {name} ({type(block).__name__}) has no such place"
    )


def _positive(norm: nn.BatchNorm2d) -> bool:
    """Return whether a positive factor passes through the norm (timm's have activations)."""
    act = getattr(norm, "act", None)
    return act is None or isinstance(act, (nn.Identity, nn.ReLU))


def _block(block: nn.Module, place: _Place, se: SE) -> SqueezeExcitation:
    like = next(block.parameters())
    c_in = next(m.in_channels for m in block.modules() if isinstance(m, nn.Conv2d))
    value = se.block(place.channels, c_in)
    made = SqueezeExcitation(
        value.channels, value.squeeze_width, value.squeeze, value.gate, value.bias
    ).to(like)
    nn.init.kaiming_normal_(made.fc1.weight, nonlinearity="relu")
    if made.fc1.bias is not None:
        nn.init.zeros_(made.fc1.bias)
    made.train(block.training)
    return made


@torch.no_grad()
def _insert(model: nn.Module, place: _Place, made: SqueezeExcitation) -> None:
    gain = set_neutral(made)
    if gain != 1:
        assert isinstance(place.scaled, (nn.Conv2d, nn.BatchNorm2d))
        place.scaled.weight.mul_(gain)
        if isinstance(place.scaled, nn.BatchNorm2d):
            place.scaled.bias.mul_(gain)
    parent_path, _, name = place.module.rpartition(".")
    parent = model.get_submodule(parent_path)
    old = getattr(parent, name)
    pair = [made, old] if place.before else [old, made]
    wrapped = made if old is None else nn.Sequential(*pair).train(made.training)
    setattr(parent, name, wrapped)
