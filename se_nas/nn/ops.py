"""Modules without weights: pools, shuffles and mixtures. N batch, C channels, H × W map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from se_nas.layers import Backward


class Shuffle(nn.Module):
    """ShuffleNet's channel shuffle: channel (g, i) goes to (i, g)."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x_nchw: Tensor) -> Tensor:
        n, c, h, w = x_nchw.shape
        x = x_nchw.reshape(n, self.groups, c // self.groups, h, w)
        return x.transpose(1, 2).reshape(n, c, h, w)


class EndPaddedMaxPool(nn.MaxPool2d):
    """A max pool of a map that has ``end`` more rows and columns at its end, of −∞.

    With 3×3, stride 2 and ceil mode one of them changes nothing where a side is even, and gives an
    odd one the last output that a convolution with padding 1 has.

    >>> EndPaddedMaxPool(3, 2, ceil_mode=True, end=1)(torch.zeros(1, 1, 7, 8)).shape
    torch.Size([1, 1, 4, 4])
    """

    def __init__(
        self, kernel: int, stride: int, padding: int = 0, *, ceil_mode: bool = False, end: int
    ) -> None:
        super().__init__(kernel, stride, padding, ceil_mode=ceil_mode)
        self.end = end

    def forward(self, x_nchw: Tensor) -> Tensor:
        padded_nchw = F.pad(x_nchw, [0, self.end, 0, self.end], value=float("-inf"))
        out_nchw: Tensor = super().forward(padded_nchw)
        return out_nchw


class GlobalPool(nn.Module):
    """(N, C, H, W) → (N, C): the mean over the map."""

    def forward(self, x_nchw: Tensor) -> Tensor:
        return x_nchw.mean((2, 3))


class Flatten(nn.Module):
    """(N, C, H, W) → (N, C · side²): the means over a ``side`` × ``side`` grid."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x_nchw: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(x_nchw, self.side).flatten(1)


class Subsample(nn.Module):
    """Every ``stride``-th pixel of the map, moved by ``shift``, with zeros as further channels.

    >>> Subsample(2, stride=2, shift=1)(torch.arange(1.0, 10).reshape(1, 1, 3, 3))[0, 0]
    tensor([[0., 0.],
            [0., 5.]])
    """

    def __init__(self, channels: int, stride: int, shift: int) -> None:
        super().__init__()
        self.channels, self.stride, self.shift = channels, stride, shift

    def forward(self, x_nchw: Tensor) -> Tensor:
        _, c, h, w = x_nchw.shape
        # Moved by one pixel, the first that is picked is a zero and the next the one before
        # ``stride``: pick from there and pad, so that the whole moved map is never made.
        start = (self.stride - self.shift) % self.stride
        x_nchw = x_nchw[:, :, start :: self.stride, start :: self.stride]
        padding: list[int] = []
        for side, picked in ((w, x_nchw.shape[3]), (h, x_nchw.shape[2])):
            padding += [self.shift, -(-side // self.stride) - picked - self.shift]
        return F.pad(x_nchw, [*padding, 0, self.channels - c])


class _Mix(torch.autograd.Function):
    """``a · first + (1 − a) · second`` whose gradient is that of other coefficients ``b``."""

    generate_vmap_rule = True  # with ``setup_context``: what torch.func asks for

    @staticmethod
    def forward(first_nchw: Tensor, second_nchw: Tensor, a_n111: Tensor, b_n111: Tensor) -> Tensor:
        return torch.lerp(second_nchw, first_nchw, a_n111)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[3])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (grad_nchw,) = grads
        (b_n111,) = ctx.saved_tensors
        first_nchw = grad_nchw * b_n111
        return first_nchw, grad_nchw - first_nchw, None, None


def mix_at_random(first_nchw: Tensor, second_nchw: Tensor, backward: Backward) -> Tensor:
    """Mix two (N, C, H, W) maps at random for each image, forwards and backwards independently.

    Shake-Shake (Gastaldi 2017): with ``backward`` ``even`` the gradient goes to both by halves.
    """
    size = (first_nchw.shape[0], 1, 1, 1)
    a_n111 = torch.rand(size, dtype=first_nchw.dtype, device=first_nchw.device)
    b_n111 = torch.rand_like(a_n111) if backward == "shake" else torch.full_like(a_n111, 0.5)
    mixed: Tensor = _Mix.apply(first_nchw, second_nchw, a_n111, b_n111)
    return mixed
