"""Strided 1×1 convolutions of few channels, around a fault of oneDNN."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class NarrowPointwise(nn.Conv2d):
    """A strided 1×1 convolution that picks its pixels first, then has a stride of 1.

    On a CPU the weights' gradient of a strided 1×1 convolution is wrong where its input has fewer
    channels than oneDNN's block and the input or the weights are channels-last: oneDNN picks the
    pixels into a buffer that is too small and writes past it (its issue 6035, in torch 2.14). One
    thread then ends in a segmentation fault or a corrupted heap; two hang, or go on with wrong
    gradients. Without a stride there is no such buffer, in any layout and type, on any device.
    """

    def forward(self, input: Tensor) -> Tensor:  # named as in nn.Conv2d
        picked_nchw = F.avg_pool2d(input, 1, self.stride)
        return F.conv2d(picked_nchw, self.weight, self.bias, groups=self.groups)
