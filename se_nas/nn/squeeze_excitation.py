"""The SE block as a module: squeeze, excitation, scale (paper, section 3).

Shapes: N batch, C channels, H × W map, M squeeze width. ``u_nchw`` is the map to recalibrate,
``z_nc`` the squeezed descriptor, ``s_nc11`` (``s_nchw`` with NoSqueeze) the gate's output.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from se_nas.gates import GATES
from se_nas.squeezes import SQUEEZES


def mean(u_nchw: Tensor) -> Tensor:
    """(N, C, H, W) → (N, C): the mean over the map."""
    # In half precision the sum over a large map overflows: accumulate in single precision.
    half = u_nchw.dtype in (torch.float16, torch.bfloat16)
    dtype = torch.float32 if half else None
    if torch.is_grad_enabled():
        # The gradient of a sum is one number seen at every position; that of a mean is written
        # out, a map more to write and to read again.
        h, w = u_nchw.shape[2:]
        return u_nchw.sum((2, 3), dtype=dtype).div_(h * w).to(u_nchw.dtype)
    return u_nchw.mean((2, 3), dtype=dtype).to(u_nchw.dtype)


def largest(u_nchw: Tensor) -> Tensor:
    """(N, C, H, W) → (N, C): the maximum over the map."""
    return u_nchw.amax((2, 3))


def mean_and_largest(u_nchw: Tensor) -> Tensor:
    """(N, C, H, W) → (N, C): the mean plus the maximum."""
    return mean(u_nchw) + u_nchw.amax((2, 3))


def two_sigmoid(logits: Tensor) -> Tensor:
    """Twice the sigmoid: 1 at a logit of 0."""
    return 2 * torch.sigmoid(logits)


def load_function(path: str) -> Callable[[Tensor], Tensor]:
    """The function of a dotted path, as the tables of ``se_nas.se`` have them."""
    module, _, name = path.rpartition(".")
    return cast(Callable[[Tensor], Tensor], getattr(importlib.import_module(module), name))


class SqueezeExcitation(nn.Module):
    """``u · gate(W₂ relu(W₁ squeeze(u)))``: equations 2 (squeeze), 3 (excitation), 4 (scale).

    Args:
        channels: C of the map.
        squeeze_width: M of the hidden layer.
        squeeze: one of ``SQUEEZES``; none is NoSqueeze, both FC layers at every position (section
            7.1).
        gate: the excitation nonlinearity (section 6.3), one of ``GATES``.
        bias: biases in both FC layers.

    >>> se = SqueezeExcitation(64, 4)
    >>> se(torch.zeros(2, 64, 7, 5)).shape
    torch.Size([2, 64, 7, 5])
    """

    def __init__(
        self,
        channels: int,
        squeeze_width: int,
        squeeze: str = "avg",
        gate: str = "sigmoid",
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.squeeze, self.gate = squeeze, gate
        pool = SQUEEZES[squeeze].function
        self.squeeze_function = load_function(pool) if pool else None
        self.gate_function = load_function(GATES[gate].function)
        self.fc1 = nn.Linear(channels, squeeze_width, bias=bias)
        self.fc2 = nn.Linear(squeeze_width, channels, bias=bias)

    def scale(self, u_nchw: Tensor) -> Tensor:
        """The factors: (N, C, 1, 1), or (N, C, H, W) with NoSqueeze."""
        gate = self.gate_function
        if self.squeeze_function is None:
            w1, w2 = self.fc1.weight[:, :, None, None], self.fc2.weight[:, :, None, None]
            hidden = F.conv2d(u_nchw, w1, self.fc1.bias).relu_()
            return gate(F.conv2d(hidden, w2, self.fc2.bias))
        z_nc = self.squeeze_function(u_nchw)
        z_nc = self.fc1(z_nc).relu_()
        return gate(self.fc2(z_nc))[:, :, None, None]

    def forward(self, u_nchw: Tensor) -> Tensor:
        return u_nchw * self.scale(u_nchw)

    def extra_repr(self) -> str:
        return f"squeeze={self.squeeze}, gate={self.gate}"
