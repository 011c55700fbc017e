"""Copies of models for deployment: fewer passes over the maps, outputs equal to within 1e-4."""

from __future__ import annotations

import copy
from collections import OrderedDict
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from se_nas.nn.blocks import Residual
from se_nas.nn.example import check_kind, example
from se_nas.nn.model import Model
from se_nas.nn.neighbours import module_chains
from se_nas.nn.squeeze_excitation import SqueezeExcitation

LARGE_MAP = 28 * 28  # positions from which oneDNN wins


def optimize_for_inference(model: Model, input_size: int | tuple[int, int] | None = None) -> Model:
    """Return a copy in ``eval`` whose batch norms are folded and whose SE blocks read less.

    * A batch norm behind a convolution becomes part of its weights and bias.
    * The mean over a 1×1 convolution's output is the convolution of its input's mean. Where an
      SE block follows such a convolution that widens, it pools the narrow input instead, and the
      convolution joins the block's first FC layer.
    * On a CPU the weights are channels-last, and 1×1 convolutions on large maps are written so
      that oneDNN computes them also where one thread runs a small batch.

    The copy cannot be trained or saved with ``se_nas.save``; export it or run it.

    Args:
        input_size: side in pixels, or (height, width), that it will mostly see; other sizes give
            the same outputs. The family's own size if not given.

    Raises:
        InputError: ``model`` is no model of ``materialize``.
    """
    check_kind(model, "optimize_for_inference")
    fast = copy.deepcopy(model).requires_grad_(False).eval()
    for chain in list(module_chains(fast)):
        for (_, conv), (name, norm) in pairwise(chain):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                _fold(conv, norm)
                _replace(fast, name, nn.Identity())
    for name, block in list(fast.named_modules()):
        early = _early(block) if isinstance(block, Residual) and block.fused else None
        if early is not None:
            _replace(fast, name, early.eval())
    if all(parameter.device.type == "cpu" for parameter in fast.parameters()):
        _suit_cpu(fast, example(model, input_size)[:1])
    fast.folded = True
    return fast.requires_grad_(False)


class EarlyResidual(nn.Module):
    """A ``Residual`` whose SE block pools the input of the 1×1 convolution before it.

    With z the mean of that input, W₁ (W z + b) + b₁ = (W₁ W) z + (W₁ b + b₁): one FC layer.
    """

    def __init__(self, block: Residual, names: list[str], conv: nn.Conv2d) -> None:
        super().__init__()
        se = getattr(block, block.branch[-1])
        self.before = nn.Sequential(OrderedDict((name, getattr(block, name)) for name in names))
        self.conv, self.downsample, self.act = conv, block.downsample, block.act
        self.after = nn.Sequential(OrderedDict((n, getattr(block, n)) for n in block.after))
        self.se = SqueezeExcitation(conv.in_channels, se.fc1.out_features, "avg", se.gate)
        self.se.fc1, self.se.fc2 = _joined(conv, se.fc1), se.fc2

    def forward(self, x_nchw: Tensor) -> Tensor:
        hidden_nchw = self.before(x_nchw)
        s_nc11 = self.se.scale(hidden_nchw)
        shortcut_nchw = x_nchw if self.downsample is None else self.downsample(x_nchw)
        u_nchw = self.conv(hidden_nchw)
        out_nchw = u_nchw.mul_(s_nc11).add_(shortcut_nchw)
        if self.act is not None:
            out_nchw = self.act(out_nchw)
        after_nchw: Tensor = self.after(out_nchw)
        return after_nchw


def _early(block: Residual) -> EarlyResidual | None:
    """Return ``block`` with an early squeeze; None if it cannot have one or would not gain."""
    names = [n for n in block.branch[:-1] if not isinstance(getattr(block, n), nn.Identity)]
    conv = getattr(block, names[-1]) if names else None
    se = getattr(block, block.branch[-1])
    if (
        not isinstance(conv, nn.Conv2d)
        or (conv.kernel_size, conv.stride, conv.groups) != ((1, 1), (1, 1), 1)
        or conv.padding != (0, 0)
        or conv.in_channels >= conv.out_channels
        or se.squeeze != "avg"
        or block.factor != 1
        or len(names) < 2
    ):
        return None
    return EarlyResidual(block, names[:-1], conv)


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


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )


@torch.no_grad()
def _suit_cpu(model: Model, image: Tensor) -> None:
    """Make weights channels-last, and dilate 1×1 convolutions, which changes no output.

    With one thread and fewer than 16 images PyTorch gives an undilated 1×1 convolution to a plain
    matrix product, which on large maps takes twice oneDNN's time; on small ones oneDNN loses more
    by reordering the weights (measured with torch 2.14 on an AMD EPYC).
    """
    model.to(memory_format=torch.channels_last)

    def choose(conv: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if isinstance(conv, nn.Conv2d) and conv.kernel_size == (1, 1):
            height, width = inputs[0].shape[2:]
            conv.dilation = (2, 2) if height * width >= LARGE_MAP else (1, 1)

    hooks = [module.register_forward_pre_hook(choose) for module in model.modules()]
    model(image)
    for hook in hooks:
        hook.remove()


def _replace(model: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, module)
