"""Copies of models for deployment: fewer passes over the maps, outputs equal to within 1e-4."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from se_nas.nn.blocks import Residual
from se_nas.nn.example import check_kind, example
from se_nas.nn.fused import fuse
from se_nas.nn.model import Model
from se_nas.nn.neighbours import module_chains

LARGE_MAP = 28 * 28  # positions from which oneDNN wins


def optimize_for_inference(model: Model, input_size: int | tuple[int, int] | None = None) -> Model:
    """Return a copy in ``eval`` whose batch norms are folded and whose SE blocks read less.

    * A batch norm behind a convolution becomes part of its weights and bias.
    * Where no gradients are recorded, a residual block scales its branch's map and adds the
      shortcut to it in one pass, in place.
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
        if isinstance(block, Residual):
            _replace(fast, name, fuse(block).eval())
    if all(parameter.device.type == "cpu" for parameter in fast.parameters()):
        _suit_cpu(fast, example(model, input_size)[:1])
    fast.folded = True
    return fast.requires_grad_(False)


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
