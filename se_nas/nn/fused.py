"""Residual blocks of a copy for inference: scale and sum in one pass, in place.

The plain ``Residual`` calls each layer as a module, and makes a new map for the scaled branch and
one for the sum. These blocks make neither.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from se_nas.nn.blocks import Concat, Residual, Shake
from se_nas.nn.squeeze_excitation import SqueezeExcitation

# Modules whose output is a map of its own, which nobody else holds.
FRESH = (nn.Conv2d, nn.BatchNorm2d, Concat, Shake, SqueezeExcitation)


class FusedResidual(nn.Module):
    """A ``Residual`` that scales its branch's map and adds the shortcut to it in one pass.

    Args:
        block: the block, in ``eval``; its modules are taken over.
        names: its branch's layers before ``se``.
        se: the SE block at the end of its branch; None if there is none.
    """

    def __init__(self, block: Residual, names: list[str], se: SqueezeExcitation | None) -> None:
        super().__init__()
        self.before = named(block, names)
        self.se, self.downsample, self.act = se, block.downsample, block.act
        self.after = named(block, list(block.after))
        self.factor = block.factor

    def forward(self, x_nchw: Tensor) -> Tensor:
        u_nchw: Tensor = self.before(x_nchw)
        s_nc11 = None if self.se is None else self.se.scale(u_nchw)
        shortcut_nchw = x_nchw if self.downsample is None else self.downsample(x_nchw)
        out_nchw = add_scaled(shortcut_nchw, u_nchw, s_nc11, self.factor)
        if self.act is not None:
            out_nchw = self.act(out_nchw)
        after_nchw: Tensor = self.after(out_nchw)
        return after_nchw


class EarlyResidual(nn.Module):
    """A ``Residual`` whose SE block pools the input of the 1×1 convolution before it.

    With z the mean of that input, W₁ (W z + b) + b₁ = (W₁ W) z + (W₁ b + b₁): one FC layer.
    """

    def __init__(
        self, block: Residual, names: list[str], conv: nn.Conv2d, se: SqueezeExcitation
    ) -> None:
        super().__init__()
        self.before = named(block, names)
        self.conv, self.downsample, self.act = conv, block.downsample, block.act
        self.after = named(block, list(block.after))
        self.se = SqueezeExcitation(conv.in_channels, se.fc1.out_features, "avg", se.gate)
        self.se.fc1, self.se.fc2 = _joined(conv, se.fc1), se.fc2

    def forward(self, x_nchw: Tensor) -> Tensor:
        hidden_nchw = self.before(x_nchw)
        s_nc11 = self.se.scale(hidden_nchw)
        shortcut_nchw = x_nchw if self.downsample is None else self.downsample(x_nchw)
        out_nchw = add_scaled(shortcut_nchw, self.conv(hidden_nchw), s_nc11, 1.0)
        if self.act is not None:
            out_nchw = self.act(out_nchw)
        after_nchw: Tensor = self.after(out_nchw)
        return after_nchw


def add_scaled(
    shortcut_nchw: Tensor, u_nchw: Tensor, s_nc11: Tensor | None, factor: float
) -> Tensor:
    """Return ``shortcut + factor · s · u``; without gradients in the memory of ``u_nchw``."""
    # With gradients (of the images: the weights have none) the maps are still needed; a trace is
    # made with and checked without, and has to be one program.
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    out = None if torch.is_grad_enabled() or tracing else u_nchw
    if s_nc11 is None:
        return torch.add(shortcut_nchw, u_nchw, alpha=factor, out=out)
    return torch.addcmul(shortcut_nchw, u_nchw, s_nc11, value=factor, out=out)


def fuse(block: Residual) -> nn.Module:
    """Return ``block`` in the fastest form that computes the same; itself if there is none.

    A layer that a user put in, or hooked, is called as before.
    """
    # What is behind a folded batch norm is its convolution.
    names = [n for n in block.branch if not isinstance(getattr(block, n), nn.Identity)]
    last = getattr(block, names[-1]) if names else None
    se = last if type(last) is SqueezeExcitation and not _hooked(last) else None
    if se is not None:
        names = names[:-1]
    end = getattr(block, names[-1]) if names else None
    if not isinstance(end, FRESH) or _hooked(end):
        return block
    if se is not None and _can_pool_early(block, names, end, se):
        assert isinstance(end, nn.Conv2d)
        return EarlyResidual(block, names[:-1], end, se)
    return FusedResidual(block, names, se)


def named(block: Residual, names: list[str]) -> nn.Sequential:
    """Return children of ``block`` as one module."""
    return nn.Sequential(OrderedDict((name, getattr(block, name)) for name in names))


def _hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _can_pool_early(
    block: Residual, names: list[str], conv: nn.Module, se: SqueezeExcitation
) -> bool:
    """Return whether an early squeeze computes the same and gains by it."""
    return (
        isinstance(conv, nn.Conv2d)
        and (conv.kernel_size, conv.stride, conv.groups) == ((1, 1), (1, 1), 1)
        and conv.padding == (0, 0)
        and conv.in_channels < conv.out_channels
        and se.squeeze == "avg"
        and type(se.fc1) is nn.Linear
        and not _hooked(se.fc1)
        and block.factor == 1
        and len(names) > 1
    )


def _joined(conv: nn.Conv2d, fc: nn.Linear) -> nn.Linear:
    """Join a 1×1 convolution of one position and the FC layer behind it into one layer."""
    weight = fc.weight.double()
    bias = weight.new_zeros(fc.out_features)
    if conv.bias is not None:
        bias += weight @ conv.bias.double()
    if fc.bias is not None:
        bias += fc.bias.double()
    joined = nn.Linear(conv.in_channels, fc.out_features)
    joined.weight = nn.Parameter((weight @ conv.weight.double().flatten(1)).to(fc.weight.dtype))
    joined.bias = nn.Parameter(bias.to(fc.weight.dtype))
    return joined
