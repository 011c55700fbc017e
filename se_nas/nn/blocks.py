"""Modules built from descriptions of layers (``se_nas.layers``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from se_nas import layers
from se_nas.layers import Chain, Layer
from se_nas.nn.narrow import NarrowPointwise
from se_nas.nn.ops import EndPaddedMaxPool, Flatten, GlobalPool, Shuffle, Subsample, mix_at_random
from se_nas.nn.squeeze_excitation import SqueezeExcitation


class Residual(nn.Module):
    """``after(act(shortcut(x) + factor · branch(x)))``; only a ``ScaledResidual`` has a factor.

    Every layer is called as a module and the sum is a new map: what a hook saw stays as it was,
    and any layer can be replaced. ``optimize_for_inference`` has the sum in place.

    The branch's and after's layers are direct children, the shortcut is ``downsample``: the
    parameter names of torchvision and timm.
    """

    def __init__(self, layer: layers.Residual) -> None:
        super().__init__()
        self.branch = add(self, layer.branch)
        self.downsample = nn.Sequential() if layer.shortcut else None
        if self.downsample is not None:
            add(self.downsample, layer.shortcut)
        self.act = None if layer.act is None else ACTS[layer.act.kind](inplace=True)
        self.after = add(self, layer.after)
        self.factor = layer.scale if isinstance(layer, layers.ScaledResidual) else 1.0

    def forward(self, x_nchw: Tensor) -> Tensor:
        u_nchw = x_nchw
        for name in self.branch:
            u_nchw = getattr(self, name)(u_nchw)
        shortcut_nchw = x_nchw if self.downsample is None else self.downsample(x_nchw)
        out_nchw = torch.add(shortcut_nchw, u_nchw, alpha=self.factor)
        if self.act is not None:
            out_nchw = self.act(out_nchw)
        for name in self.after:
            out_nchw = getattr(self, name)(out_nchw)
        return out_nchw


class Concat(nn.Module):
    """The branches' outputs side by side; with ``split`` each takes its part of the channels."""

    def __init__(self, layer: layers.Concat) -> None:
        super().__init__()
        self.split = layer.split
        self.branches = tuple(name for name, _ in layer.branches)
        for name, branch in layer.branches:
            self.add_module(name, sequential(branch))

    def forward(self, x_nchw: Tensor) -> Tensor:
        count = len(self.branches)
        parts = x_nchw.chunk(count, dim=1) if self.split else (x_nchw,) * count
        outs = [getattr(self, name)(parts[i]) for i, name in enumerate(self.branches)]
        return torch.cat(outs, dim=1)


class Shake(nn.Module):
    """Two branches mixed: at random in training, by halves in ``eval``."""

    def __init__(self, layer: layers.Shake) -> None:
        super().__init__()
        self.backward = layer.backward
        self.branches = tuple(name for name, _ in layer.branches)
        for name, branch in layer.branches:
            self.add_module(name, sequential(branch))

    def forward(self, x_nchw: Tensor) -> Tensor:
        first_nchw, second_nchw = (getattr(self, name)(x_nchw) for name in self.branches)
        if self.training:
            return mix_at_random(first_nchw, second_nchw, self.backward)
        return torch.lerp(first_nchw, second_nchw, 0.5)


ACTS: dict[str, Callable[..., nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hard_swish": nn.Hardswish,
}


def _conv(layer: layers.Conv) -> nn.Module:
    kind = NarrowPointwise if layer.picks_first else nn.Conv2d
    return kind(
        layer.c_in,
        layer.c_out,
        layer.kernel_hw,
        layer.stride,
        layer.padding_hw,
        groups=layer.groups,
        bias=layer.bias,
    )


def _pool(layer: layers.Pool) -> nn.Module:
    window = (layer.kernel, layer.stride, layer.padding)
    if layer.kind == "max":
        return nn.MaxPool2d(*window, ceil_mode=layer.ceil)
    inside = layer.kind == "avg_inside"
    return nn.AvgPool2d(*window, ceil_mode=layer.ceil, count_include_pad=not inside)


def _se(layer: layers.SEBlock) -> nn.Module:
    return SqueezeExcitation(
        layer.channels, layer.squeeze_width, layer.squeeze, layer.gate, layer.bias
    )


BUILD: dict[type, Callable[[Any], nn.Module]] = {
    layers.Conv: _conv,
    layers.Norm: lambda layer: nn.BatchNorm2d(layer.channels, layer.eps, layer.momentum),
    layers.Pool: _pool,
    layers.EndPaddedMaxPool: lambda layer: EndPaddedMaxPool(
        layer.kernel, layer.stride, layer.padding, ceil_mode=layer.ceil, end=layer.end
    ),
    layers.GlobalPool: lambda _: GlobalPool(),
    layers.Flatten: lambda layer: Flatten(layer.side),
    layers.Linear: lambda layer: nn.Linear(layer.c_in, layer.c_out, layer.bias),
    layers.Dropout: lambda layer: nn.Dropout(layer.p),
    layers.Shuffle: lambda layer: Shuffle(layer.groups),
    layers.Subsample: lambda layer: Subsample(layer.channels, layer.stride, layer.shift),
    layers.SEBlock: _se,
    layers.Residual: Residual,
    layers.ScaledResidual: Residual,
    layers.Shake: Shake,
    layers.Concat: Concat,
    layers.Group: lambda layer: sequential(layer.chain),
}


def sequential(chain: Chain) -> nn.Sequential:
    """Build the chain as one module."""
    module = nn.Sequential()
    add(module, chain)
    return module


def add(parent: nn.Module, chain: Chain) -> tuple[str, ...]:
    """Add the chain's modules to ``parent`` as children, and return their names."""
    before: Layer | None = None
    for name, layer in chain:
        parent.add_module(name, _build(layer, before))
        before = layer
    return tuple(name for name, _ in chain)


def _build(layer: Layer, before: Layer | None) -> nn.Module:
    if isinstance(layer, layers.Act):
        return ACTS[layer.kind](inplace=layers.may_overwrite(before))
    return BUILD[type(layer)](layer)
