"""Exact cost of an architecture by arithmetic: no weights, no torch.

    cost("se_resnet50_r16")  →  Cost(params=28088024, macs=3860488192, peak_activations=…)

A MAC is a multiply-add of a convolution or fully connected layer, the paper's "FLOP"; PyTorch's
FlopCounterMode counts two for each. ``peak_activations`` is the largest number of activation
elements alive at one moment of an eager inference at batch 1, the input included. All three equal
what is counted on the built model (``tests/cost``). Stages are cached, so that a search can
price thousands of proposals a second.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from se_nas.architecture.architecture import Architecture, stage_layers
from se_nas.cost.layer_cost import LayerCost, Shape, chain_cost
from se_nas.errors import InputError
from se_nas.se import SE
from se_nas.texts import written
from se_nas.trunks import Trunk
from se_nas.values import whole

# More is a typing error: a side of images, and channels or classes.
MOST_PIXELS, MOST_CHANNELS = 2**16, 2**24


@dataclass(frozen=True)
class Cost:
    """Trainable parameters, multiply-adds at batch 1, activation elements alive at once."""

    params: int
    macs: int
    peak_activations: int


Price: TypeAlias = Callable[[Architecture], Cost]


def cost(
    architecture: Architecture | str,
    *,
    input_size: int | tuple[int, int] | None = None,
    in_channels: int = 3,
    num_classes: int = 1000,
) -> Cost:
    """Return the cost of an architecture at an input size.

    Args:
        architecture: the value or its name.
        input_size: side in pixels, or (height, width); the family's own size if not given.

    Raises:
        InputError: the name is unknown, or the input is too small for the network.

    >>> cost("resnet50").macs
    3857973248
    """
    architecture = Architecture.of(architecture)
    height, width = height_width(architecture.trunk, input_size)
    tallies = parts(
        architecture, input_size=(height, width), in_channels=in_channels, num_classes=num_classes
    )
    return _total(whole("in_channels", in_channels, 1) * height * width, list(tallies.values()))


def parts(
    architecture: Architecture,
    *,
    input_size: int | tuple[int, int] | None = None,
    in_channels: int = 3,
    num_classes: int = 1000,
) -> dict[str, LayerCost]:
    """Return output shape and cost of ``stem``, of every stage by its name, and of ``head``.

    >>> parts(Architecture("resnet50"))["stage5"].shape
    (2048, 7, 7)
    """
    trunk = architecture.trunk
    height, width = height_width(trunk, input_size)
    in_channels = whole("in_channels", in_channels, 1, MOST_CHANNELS)
    num_classes = whole("num_classes", num_classes, 1, MOST_CHANNELS)
    part = _stem(trunk, (in_channels, height, width))
    found = {"stem": part}
    for number, se in zip(trunk.stages, architecture.se, strict=True):
        part = _stage(trunk, number, se, part.shape)
        found[trunk.stage_name(number)] = part
    found["head"] = _head(trunk, num_classes, part.shape)
    return found


def height_width(trunk: Trunk, input_size: int | tuple[int, int] | None) -> tuple[int, int]:
    """Return the sides of an image in pixels: those given, or the family's own.

    Raises:
        InputError: it is no side and no pair of sides.
    """
    size: Any = trunk.input_size if input_size is None else input_size
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(sides) != 2:
        raise InputError(
            f"input_size is {written(size)}; give a side in pixels, or (height, width)"
        )
    height, width = (whole("input_size", side, 1, MOST_PIXELS, hint=" px") for side in sides)
    return height, width


def _total(held: int, tallies: list[LayerCost]) -> Cost:
    peak = before = 0
    for part in tallies:
        peak = max(peak, before + part.peak)
        before = math.prod(part.shape)
    return Cost(sum(t.params for t in tallies), sum(t.macs for t in tallies), held + peak)


@lru_cache(maxsize=4096)
def _stem(trunk: Trunk, image: Shape) -> LayerCost:
    return chain_cost(trunk.stem_layers(image[0]), image)


@lru_cache(maxsize=32768)
def _stage(trunk: Trunk, number: int, se: SE | None, shape: Shape) -> LayerCost:
    return chain_cost(stage_layers(trunk, number, se), shape)


@lru_cache(maxsize=4096)
def _head(trunk: Trunk, num_classes: int, shape: Shape) -> LayerCost:
    return chain_cost(trunk.head_layers(num_classes), shape)
