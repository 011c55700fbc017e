"""Costs of layers: one formula for each kind, by arithmetic on shapes.

They count parameters, multiply-adds at batch 1, and the activation elements that the modules of
``se_nas.nn.blocks`` allocate and hold in an eager inference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

from se_nas import layers
from se_nas.errors import InputError
from se_nas.gates import GATES
from se_nas.layers import Chain, Layer
from se_nas.squeezes import SQUEEZES

Shape: TypeAlias = tuple[int, int, int]  # channels, height, width of one image


@dataclass(frozen=True)
class LayerCost:
    """The cost of one piece, its output's shape, and the elements it allocates at its peak.

    ``peak`` has the piece's output in it but not its input, which its caller holds.
    """

    shape: Shape
    params: int = 0
    macs: int = 0
    peak: int = 0


def chain_cost(chain: Chain, shape: Shape) -> LayerCost:
    """Return the cost of a chain of layers on an input of ``shape``, with its output's shape.

    Raises:
        InputError: the input is too small, or branches that become one map differ in its sides.
    """
    params = macs = peak = current = 0
    before: Layer | None = None
    for i, (_, layer) in enumerate(chain):
        cost = _layer(layer, shape, before)
        before = layer
        params += cost.params
        macs += cost.macs
        peak = max(peak, current + cost.peak)
        if not (isinstance(layer, layers.Dropout) and i == 0):
            current = math.prod(cost.shape)
        shape = cost.shape
    return LayerCost(shape, params, macs, peak)


def _layer(layer: Layer, shape: Shape, before: Layer | None) -> LayerCost:
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
            picked = c * out[1] * out[2] if layer.picks_first else 0
            params = weights + layer.c_out * layer.bias
            return LayerCost(out, params, macs, picked + math.prod(out))
        case layers.Norm():
            return LayerCost(shape, 2 * layer.channels, 0, c * h * w)
        case layers.Act():
            return LayerCost(shape, 0, 0, 0 if layers.may_overwrite(before) else c * h * w)
        case layers.Pool():
            window = (layer.kernel, layer.stride, layer.padding, layer.ceil)
            end = layer.end if isinstance(layer, layers.EndPaddedMaxPool) else 0
            h, w = h + end, w + end
            out = (c, _side(h, *window), _side(w, *window))
            return LayerCost(out, peak=math.prod(out) + (c * h * w if end else 0))
        case layers.GlobalPool():
            return LayerCost((c, 1, 1), peak=c)
        case layers.Flatten():
            cells = c * layer.side**2
            return LayerCost((cells, 1, 1), peak=cells)
        case layers.Linear():
            weights = layer.c_in * layer.c_out
            params = weights + layer.c_out * layer.bias
            return LayerCost((layer.c_out, 1, 1), params, weights, layer.c_out)
        case layers.Dropout():
            return LayerCost(shape)
        case layers.Shuffle():
            return LayerCost(shape, peak=c * h * w)
        case layers.Subsample():
            out = (layer.channels, -(-h // layer.stride), -(-w // layer.stride))
            return LayerCost(out, peak=math.prod(out))
        case layers.Group():
            return chain_cost(layer.chain, shape)
        case layers.SEBlock():
            scale = _scale(layer, shape)
            factors = c * h * w if layer.squeeze == "none" else c
            return replace(scale, peak=max(scale.peak, factors + c * h * w))
        case layers.Residual():
            return _residual(layer, shape)
        case layers.Shake():
            return _side_by_side(layer.branches, shape, mixed=True)
        case layers.Concat():
            part = (c // len(layer.branches), h, w) if layer.split else shape
            return _side_by_side(layer.branches, part)


def _scale(se: layers.SEBlock, shape: Shape) -> LayerCost:
    """Return the cost of an SE block up to its factors, before they scale the map."""
    c, h, w = shape
    at_once = h * w if se.squeeze == "none" else 1
    weights = 2 * se.channels * se.squeeze_width
    biases = (se.channels + se.squeeze_width) * se.bias
    factors, hidden = c * at_once, se.squeeze_width * at_once
    squeezed = 0 if se.squeeze == "none" else c  # held until the factors are there
    peak = max(
        SQUEEZES[se.squeeze].held * c,
        squeezed + 2 * hidden,
        squeezed + hidden + factors,
        squeezed + (1 + GATES[se.gate].held) * factors,
    )
    return LayerCost(shape, weights + biases, weights * at_once, peak)


def _residual(layer: layers.Residual, shape: Shape) -> LayerCost:
    branch, shortcut = chain_cost(layer.branch, shape), chain_cost(layer.shortcut, shape)
    out = math.prod(branch.shape)
    branch_out = out if layer.branch else 0
    shortcut_out = math.prod(shortcut.shape) if layer.shortcut else 0
    held = branch_out + shortcut_out  # until the block is done
    after = chain_cost(layer.after, branch.shape)
    behind = out + after.peak if layer.after else out
    peak = max(branch.peak, branch_out + shortcut.peak, held + behind)
    parts = (branch, shortcut, after) if layer.after else (branch, shortcut)
    return LayerCost(branch.shape, sum(p.params for p in parts), sum(p.macs for p in parts), peak)


def _side_by_side(
    branches: tuple[tuple[str, Chain], ...], shape: Shape, mixed: bool = False
) -> LayerCost:
    """Return the cost of branches that are all held until they are concatenated or mixed."""
    tallies: list[LayerCost] = []
    peak = held = 0
    for _, branch in branches:
        part = chain_cost(branch, shape)
        peak = max(peak, held + part.peak)
        held += math.prod(part.shape) if branch else 0
        tallies.append(part)
    sides = {part.shape[1:] for part in tallies}
    if len(sides) > 1:
        found = " and ".join(f"{h}×{w}" for h, w in sorted(sides))
        raise InputError(
            f"a map of {shape[1]}×{shape[2]} px becomes {found} in branches that are put side by "
            "side: give an input size that every stride divides"
        )
    channels = tallies[0].shape[0] if mixed else sum(part.shape[0] for part in tallies)
    out = (channels, *tallies[0].shape[1:])
    peak = max(peak, held + math.prod(out))
    return LayerCost(out, sum(t.params for t in tallies), sum(t.macs for t in tallies), peak)


def _side(side: int, kernel: int, stride: int, padding: int, ceil: bool = False) -> int:
    """Return a window's output side by PyTorch's rule: with ``ceil`` none starts in the padding."""
    span = side + 2 * padding - kernel
    out = (-(-span // stride) if ceil else span // stride) + 1
    if ceil and (out - 1) * stride >= side + padding:
        out -= 1
    if out < 1 or (span < 0 and not ceil):
        raise InputError(f"a side of {side} px is too small for a {kernel}×{kernel} window")
    return out
