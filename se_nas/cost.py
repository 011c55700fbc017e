"""Exact cost of an architecture by arithmetic: no weights, no torch.

    cost("se_resnet50_r16")  →  Cost(params=28088024, macs=3860488192, peak_activations=…)

A MAC is a multiply-add of a convolution or fully connected layer, the paper's "FLOP"; PyTorch's
FlopCounterMode counts two for each. ``peak_activations`` is the largest number of activation
elements alive at one moment of an eager inference at batch 1, the input included. All three equal
what is counted on the built model (``tests/test_cost.py``). Stages are cached, so that a search can
price thousands of proposals a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from se_nas import layers
from se_nas.arch import SE, Architecture, stage_layers
from se_nas.errors import InputError
from se_nas.layers import Chain, Layer
from se_nas.trunks import Trunk

Shape: TypeAlias = tuple[int, int, int]  # channels, height, width of one image


@dataclass(frozen=True)
class Cost:
    """Trainable parameters, multiply-adds at batch 1, activation elements alive at once."""

    params: int
    macs: int
    peak_activations: int


@dataclass(frozen=True)
class Tally:
    """What one piece costs: its output's shape, and the elements it allocates at its peak.

    ``peak`` has the piece's output in it but not its input, which its caller holds.
    """

    shape: Shape
    params: int = 0
    macs: int = 0
    peak: int = 0


def cost(
    architecture: Architecture | str,
    *,
    input_size: int | tuple[int, int] | None = None,
    in_channels: int = 3,
    num_classes: int = 1000,
) -> Cost:
    """The cost of an architecture at an input size.

    Args:
        architecture: the value or its name.
        input_size: side in pixels, or (height, width); the family's own size if not given.

    Raises:
        InputError: the name is unknown, or the input is too small for the network.

    >>> cost("resnet50").macs
    3857973248
    """
    if isinstance(architecture, str):
        architecture = Architecture.parse(architecture)
    tallies = parts(
        architecture, input_size=input_size, in_channels=in_channels, num_classes=num_classes
    )
    height, width = _height_width(architecture.trunk, input_size)
    return _total(in_channels * height * width, list(tallies.values()))


def parts(
    architecture: Architecture,
    *,
    input_size: int | tuple[int, int] | None = None,
    in_channels: int = 3,
    num_classes: int = 1000,
) -> dict[str, Tally]:
    """Output shape and cost of ``stem``, of every stage by its name, and of ``head``.

    >>> parts(Architecture("resnet50"))["stage5"].shape
    (2048, 7, 7)
    """
    trunk = architecture.trunk
    height, width = _height_width(trunk, input_size)
    if min(height, width, in_channels, num_classes) < 1:
        raise InputError(
            f"input_size={input_size}, in_channels={in_channels}, num_classes={num_classes}: "
            "each must be at least 1"
        )
    tally = _stem(trunk, (in_channels, height, width))
    found = {"stem": tally}
    for number, se in zip(trunk.stages, architecture.se, strict=True):
        tally = _stage(trunk, number, se, tally.shape)
        found[trunk.stage_name(number)] = tally
    found["head"] = _head(trunk, num_classes, tally.shape)
    return found


def tally(chain: Chain, shape: Shape) -> Tally:
    """What a chain of layers costs behind an input of ``shape``, and the shape that comes out."""
    return _chain(chain, shape)


def _height_width(trunk: Trunk, input_size: int | tuple[int, int] | None) -> tuple[int, int]:
    size = trunk.input_size if input_size is None else input_size
    return size if isinstance(size, tuple) else (size, size)


def _total(held: int, tallies: list[Tally]) -> Cost:
    peak = before = 0
    for tally in tallies:
        peak = max(peak, before + tally.peak)
        before = math.prod(tally.shape)
    return Cost(sum(t.params for t in tallies), sum(t.macs for t in tallies), held + peak)


@lru_cache(maxsize=4096)
def _stem(trunk: Trunk, image: Shape) -> Tally:
    return _chain(trunk.stem_layers(image[0]), image)


@lru_cache(maxsize=32768)
def _stage(trunk: Trunk, number: int, se: SE | None, shape: Shape) -> Tally:
    return _chain(stage_layers(trunk, number, se), shape)


@lru_cache(maxsize=4096)
def _head(trunk: Trunk, num_classes: int, shape: Shape) -> Tally:
    return _chain(trunk.head_layers(num_classes), shape)


def _chain(chain: Chain, shape: Shape) -> Tally:
    params = macs = peak = current = 0
    for i, (_, layer) in enumerate(chain):
        tally = _layer(layer, shape, first=i == 0)
        params += tally.params
        macs += tally.macs
        peak = max(peak, current + tally.peak)
        if not (isinstance(layer, layers.Dropout) and i == 0):
            current = math.prod(tally.shape)
        shape = tally.shape
    return Tally(shape, params, macs, peak)


def _layer(layer: Layer, shape: Shape, first: bool) -> Tally:
    c, h, w = shape
    match layer:
        case layers.Conv():
            k_h, k_w = layer.kernel_hw
            p_h, p_w = layer.padding_hw
            out = (
                layer.c_out,
                _side(h, k_h, layer.stride, p_h),
                _side(w, k_w, layer.stride, p_w),
            )
            weights = layer.c_out * (layer.c_in // layer.groups) * k_h * k_w
            macs = weights * out[1] * out[2]
            return Tally(out, weights + layer.c_out * layer.bias, macs, math.prod(out))
        case layers.Norm():
            return Tally(shape, 2 * layer.channels, 0, c * h * w)
        case layers.Act():
            return Tally(shape, 0, 0, c * h * w if first else 0)
        case layers.Pool():
            window = (layer.kernel, layer.stride, layer.padding, layer.ceil)
            out = (c, _side(h, *window), _side(w, *window))
            return Tally(out, peak=math.prod(out))
        case layers.GlobalPool():
            return Tally((c, 1, 1), peak=c)
        case layers.Flatten():
            cells = c * layer.side**2
            return Tally((cells, 1, 1), peak=cells)
        case layers.Linear():
            weights = layer.c_in * layer.c_out
            params = weights + layer.c_out * layer.bias
            return Tally((layer.c_out, 1, 1), params, weights, layer.c_out)
        case layers.Dropout():
            return Tally(shape)
        case layers.Shuffle():
            return Tally(shape, peak=c * h * w)
        case layers.Subsample():
            out = (layer.channels, -(-h // layer.stride), -(-w // layer.stride))
            return Tally(out, peak=math.prod(out))
        case layers.Group():
            return _chain(layer.chain, shape)
        case layers.SEBlock():
            scale = _scale(layer, shape)
            factors = c * h * w if layer.squeeze == "none" else c
            peak = max(scale.peak, factors + c * h * w)
            return Tally(shape, scale.params, scale.macs, peak)
        case layers.Residual():
            return _residual(layer, shape)
        case layers.Shake():
            return _side_by_side(layer.branches, shape, mixed=True)
        case layers.Concat():
            part = (c // len(layer.branches), h, w) if layer.split else shape
            return _side_by_side(layer.branches, part)


def _scale(se: layers.SEBlock, shape: Shape) -> Tally:
    """The SE block up to its factors, before they scale the map."""
    c, h, w = shape
    at_once = h * w if se.squeeze == "none" else 1
    weights = 2 * se.channels * se.squeeze_width
    biases = (se.channels + se.squeeze_width) * se.bias
    gate = 2 * c * at_once + se.squeeze_width * at_once
    gate += c * at_once if se.gate == "two_sigmoid" else 0
    squeeze = {"avg": c, "max": c, "avgmax": 3 * c, "none": 0}[se.squeeze]
    hidden = 0 if se.squeeze == "none" else c + se.squeeze_width
    peak = max(squeeze, hidden, gate)
    return Tally(shape, weights + biases, weights * at_once, peak)


def _residual(layer: layers.Residual, shape: Shape) -> Tally:
    last = layer.branch[-1][1] if layer.branch else None
    fused = isinstance(last, layers.SEBlock)
    branch = _chain(layer.branch[:-1] if fused else layer.branch, shape)
    shortcut = _chain(layer.shortcut, shape)
    out = math.prod(branch.shape)
    shortcut_out = math.prod(shortcut.shape) if layer.shortcut else 0
    # The sum, and before it the SE block's factors, go into the branch's own map.
    peak = max(branch.peak, out + shortcut.peak, out + shortcut_out)
    parts = [branch, shortcut]
    if isinstance(last, layers.SEBlock):
        scale = _scale(last, branch.shape)
        peak = max(peak, out + shortcut_out + scale.peak)
        parts.append(scale)
    if layer.after:
        after = _chain(layer.after, branch.shape)
        # The branch and the shortcut are still held while the block's last layers run.
        peak = max(peak, out + shortcut_out + after.peak)
        parts.append(after)
    return Tally(branch.shape, sum(p.params for p in parts), sum(p.macs for p in parts), peak)


def _side_by_side(
    branches: tuple[tuple[str, Chain], ...], shape: Shape, mixed: bool = False
) -> Tally:
    """Branches that are all held until they become one map: a concatenation or a mixture."""
    tallies: list[Tally] = []
    peak = held = 0
    for _, branch in branches:
        tally = _chain(branch, shape)
        peak = max(peak, held + tally.peak)
        held += math.prod(tally.shape) if branch else 0
        tallies.append(tally)
    sides = {tally.shape[1:] for tally in tallies}
    if len(sides) > 1:
        found = " and ".join(f"{h}×{w}" for h, w in sorted(sides))
        raise InputError(
            f"a map of {shape[1]}×{shape[2]} px becomes {found} in branches that are put side by "
            "side: give an input size that every stride divides"
        )
    channels = tallies[0].shape[0] if mixed else sum(tally.shape[0] for tally in tallies)
    out = (channels, *tallies[0].shape[1:])
    peak = max(peak, held + math.prod(out))
    return Tally(out, sum(t.params for t in tallies), sum(t.macs for t in tallies), peak)


def _side(side: int, kernel: int, stride: int, padding: int, ceil: bool = False) -> int:
    """Output side of a window, PyTorch's rule: with ``ceil`` no window starts in the padding."""
    span = side + 2 * padding - kernel
    out = (-(-span // stride) if ceil else span // stride) + 1
    if ceil and (out - 1) * stride >= side + padding:
        out -= 1
    if out < 1 or (span < 0 and not ceil):
        raise InputError(f"a side of {side} px is too small for a {kernel}×{kernel} window")
    return out
