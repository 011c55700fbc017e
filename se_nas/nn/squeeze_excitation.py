"""The SE block as a module: squeeze, excitation, scale (paper, section 3).

Shapes: N batch, C channels, H × W map, M squeeze width. ``u_nchw`` is the map to recalibrate,
``z_nc`` the squeezed descriptor, ``s_nc11`` (``s_nchw`` with NoSqueeze) the gate's output.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

import torch
import torch.fx
from torch import Tensor, nn

from se_nas.gates import GATES
from se_nas.squeezes import SQUEEZES


@torch.fx.wrap
def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the type to add up a map in: half types overflow, so at least single precision.

    torch.fx keeps the call as it is: the type of a map is not known when it traces.
    """
    return torch.promote_types(dtype, torch.float32)


def mean(u_nchw: Tensor) -> Tensor:
    """Return the mean over the map: (N, C, H, W) → (N, C)."""
    # The gradient of a sum is one number seen at every position; that of ``Tensor.mean`` is
    # written out, a map more to write and to read again.
    h, w = u_nchw.shape[2:]
    total_nc = u_nchw.sum((2, 3), dtype=accumulation_dtype(u_nchw.dtype))
    return (total_nc / (h * w)).to(u_nchw.dtype)


def largest(u_nchw: Tensor) -> Tensor:
    """Return the maximum over the map: (N, C, H, W) → (N, C)."""
    return u_nchw.amax((2, 3))


def mean_and_largest(u_nchw: Tensor) -> Tensor:
    """Return the mean plus the maximum: (N, C, H, W) → (N, C)."""
    return mean(u_nchw) + u_nchw.amax((2, 3))


def two_sigmoid(logits: Tensor) -> Tensor:
    """Return twice the sigmoid: 1 at a logit of 0."""
    return 2 * torch.sigmoid(logits)


def load_function(path: str) -> Callable[[Tensor], Tensor]:
    """Return the function of a dotted path, as the tables of ``se_nas.se`` have them."""
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
        """Return the factors: (N, C, 1, 1), or (N, C, H, W) with NoSqueeze.

        The FC layers are called as modules and nothing is done in place, so that each of them can
        be hooked, wrapped, pruned, parametrized or replaced.
        """
        if self.squeeze_function is None:
            n, c, h, w = u_nchw.shape
            positions = u_nchw.movedim(1, -1).reshape(-1, c)
            return self._excite(positions).reshape(n, h, w, c).movedim(-1, 1)
        return self._excite(self.squeeze_function(u_nchw))[:, :, None, None]

    def _excite(self, z_nc: Tensor) -> Tensor:
        """Return the gate's output for descriptors: (N, C) → (N, C)."""
        return self.gate_function(self.fc2(torch.relu(self.fc1(z_nc))))

    def forward(self, u_nchw: Tensor) -> Tensor:
        return u_nchw * self.scale(u_nchw)

    def extra_repr(self) -> str:
        return f"squeeze={self.squeeze}, gate={self.gate}"
