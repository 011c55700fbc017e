"""Networks without a twin, computed once more by hand: the order of norms, ReLUs, pools and SE.

``test_shapes.py`` has every convolution; here a small network of each family, with our weights in
double precision, is worked through as docs/paper/SPEC.md (1.6, 1.8, 1.10) words it.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import se_nas


class Hand:
    """The state of a model, and the operations by the names in it."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = state

    def conv(
        self, at: str, x: Tensor, stride: int = 1, padding: int = 0, groups: int = 1
    ) -> Tensor:
        return F.conv2d(x, self.state[f"{at}.weight"], None, stride, padding, 1, groups)

    def norm(self, at: str, x: Tensor) -> Tensor:
        s = self.state
        mean, var = s[f"{at}.running_mean"], s[f"{at}.running_var"]
        scale = s[f"{at}.weight"] / (var + 1e-5).sqrt()
        return (x - mean[:, None, None]) * scale[:, None, None] + s[f"{at}.bias"][:, None, None]

    def conv_norm_relu(self, conv: str, norm: str, x: Tensor, stride: int, padding: int) -> Tensor:
        return self.norm(norm, self.conv(conv, x, stride, padding)).relu()

    def convs(self, at: str, x: Tensor, *kernels_strides: tuple[int, int]) -> Tensor:
        """BN-Inception's: each with batch norm and ReLU, numbered from 1."""
        for i, (kernel, stride) in enumerate(kernels_strides, 1):
            x = self.conv_norm_relu(f"{at}conv{i}", f"{at}bn{i}", x, stride, kernel // 2)
        return x

    def se(self, at: str, x: Tensor) -> Tensor:
        s = self.state
        z = x.mean((2, 3))
        hidden = (z @ s[f"{at}.fc1.weight"].T + s[f"{at}.fc1.bias"]).relu()
        gate = (hidden @ s[f"{at}.fc2.weight"].T + s[f"{at}.fc2.bias"]).sigmoid()
        return x * gate[:, :, None, None]

    def head(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) @ self.state["fc.weight"].T + self.state["fc.bias"]


def preact(h: Hand, x: Tensor) -> Tensor:
    """resnet110_preact: BN-ReLU-conv twice, the first BN-ReLU shared where the shape changes."""
    x = h.conv("conv_stem", x, padding=1)
    for stage in (2, 3, 4):
        for unit in range(2):
            changed = unit == 0 and stage > 2
            at = f"stage{stage}.{unit}." + ("residual." if changed else "")
            before = f"stage{stage}.{unit}."
            y = h.norm(f"{before}bn1", x).relu()
            shortcut = x
            if changed:
                picked = y[:, :, ::2, ::2]
                shortcut = torch.cat([picked, torch.zeros_like(picked)], 1)
            y = h.conv(f"{at}conv1", y, 2 if changed else 1, 1)
            y = h.conv(f"{at}conv2", h.norm(f"{at}bn2", y).relu(), 1, 1)
            x = shortcut + h.se(f"{at}se", y)
    return h.head(h.norm("bn_head", x).relu())


def preact_bottleneck(h: Hand, x: Tensor) -> Tensor:
    """resnet164_preact: the stride in the first 1×1 and in the 1×1 shortcut without norm."""
    x = h.conv("conv_stem", x, padding=1)
    for stage in (2, 3, 4):
        for unit in range(2):
            changed = unit == 0
            at = f"stage{stage}.{unit}." + ("residual." if changed else "")
            stride = 2 if changed and stage > 2 else 1
            y = h.norm(f"stage{stage}.{unit}.bn1", x).relu()
            shortcut = h.conv(f"{at}downsample.conv", y, stride) if changed else x
            y = h.norm(f"{at}bn2", h.conv(f"{at}conv1", y, stride)).relu()
            y = h.norm(f"{at}bn3", h.conv(f"{at}conv2", y, 1, 1)).relu()
            x = shortcut + h.se(f"{at}se", h.conv(f"{at}conv3", y))
    return h.head(h.norm("bn_head", x).relu())


def shake_shake(h: Hand, x: Tensor) -> Tensor:
    """26 2×96d at test: ReLU-conv-BN-ReLU-conv-BN twice, halves of both, two-path shortcuts."""
    x = h.norm("bn_stem", h.conv("conv_stem", x, padding=1))
    for stage in (2, 3, 4):
        for unit in range(2):
            at = f"stage{stage}.{unit}."
            stride = 2 if unit == 0 and stage > 2 else 1
            shortcut = x
            if unit == 0:
                y = x.relu()
                moved = F.pad(y, (1, 0, 1, 0))[:, :, :-1, :-1]  # right and down
                paths = [
                    h.conv(f"{at}downsample.paths.here.conv", y[:, :, ::stride, ::stride]),
                    h.conv(f"{at}downsample.paths.moved.conv", moved[:, :, ::stride, ::stride]),
                ]
                shortcut = h.norm(f"{at}downsample.bn", torch.cat(paths, 1))
            branches = []
            for branch in ("first", "second"):
                to = f"{at}shake.{branch}."
                y = h.norm(f"{to}bn1", h.conv(f"{to}conv1", x.relu(), stride, 1)).relu()
                y = h.norm(f"{to}bn2", h.conv(f"{to}conv2", y, 1, 1))
                branches.append(h.se(f"{to}se", y))
            x = shortcut + 0.5 * branches[0] + 0.5 * branches[1]
    return h.head(x.relu())


def shake_even(h: Hand, x: Tensor) -> Tensor:
    """29 2×4×64d at test: post-activation bottlenecks in groups, ReLU behind the sum."""
    x = h.norm("bn_stem", h.conv("conv_stem", x, padding=1)).relu()
    for stage in (2, 3, 4):
        for unit in range(2):
            at = f"stage{stage}.{unit}."
            stride = 2 if unit == 0 and stage > 2 else 1
            shortcut = x
            if unit == 0:
                projected = h.conv(f"{at}downsample.conv", x, stride)
                shortcut = h.norm(f"{at}downsample.bn", projected)
            branches = []
            for branch in ("first", "second"):
                to = f"{at}shake.{branch}."
                y = h.norm(f"{to}bn1", h.conv(f"{to}conv1", x)).relu()
                y = h.norm(f"{to}bn2", h.conv(f"{to}conv2", y, stride, 1, groups=4)).relu()
                branches.append(h.se(f"{to}se", h.norm(f"{to}bn3", h.conv(f"{to}conv3", y))))
            x = (shortcut + 0.5 * branches[0] + 0.5 * branches[1]).relu()
    return h.head(x)


def shufflenet_v1(h: Hand, x: Tensor) -> Tensor:
    """g = 3: no ReLU behind the depthwise convolution, the pooled input first in the concat."""
    x = h.conv_norm_relu("conv_stem", "bn_stem", x, 2, 1)
    x = F.max_pool2d(x, 3, 2, 1)
    for stage in (2, 3, 4):
        for unit in range(2):
            first = unit == 0
            at = f"stage{stage}.{unit}." + ("concat.branch." if first else "")
            groups = 1 if first and stage == 2 else 3
            y = h.norm(f"{at}bn1", h.conv(f"{at}conv1", x, groups=groups)).relu()
            n, c, height, width = y.shape
            y = y.view(n, 3, c // 3, height, width).transpose(1, 2).flatten(1, 2)
            y = h.norm(f"{at}bn2", h.conv(f"{at}conv_dw", y, 2 if first else 1, 1, groups=c))
            y = h.se(f"{at}se", h.norm(f"{at}bn3", h.conv(f"{at}conv2", y, groups=3)))
            x = (torch.cat([F.avg_pool2d(x, 3, 2, 1), y], 1) if first else x + y).relu()
    return h.head(x)


def bn_inception(h: Hand, x: Tensor) -> Tensor:
    """1×1 | 3×3 | double | pool, SE behind each concatenation; the last pool takes the maximum."""

    def max_pool(y: Tensor) -> Tensor:
        return F.max_pool2d(y, 3, 2, ceil_mode=True)

    x = max_pool(h.conv_norm_relu("conv1", "bn1", x, 2, 3))
    x = h.conv_norm_relu("conv2", "bn2", x, 1, 0)
    x = max_pool(h.conv_norm_relu("conv3", "bn3", x, 1, 1))
    for stage, modules in ((3, 3), (4, 5), (5, 2)):
        for module in range(modules):
            at = f"stage{stage}.{module}."
            stride = 2 if (stage, module) in ((3, 2), (4, 4)) else 1

            branch = f"{at}concat.branch_"
            outs = [] if stride == 2 else [h.convs(f"{branch}1x1.", x, (1, 1))]
            outs.append(h.convs(f"{branch}3x3.", x, (1, 1), (3, stride)))
            outs.append(h.convs(f"{branch}double.", x, (1, 1), (3, 1), (3, stride)))
            if stride == 2:
                outs.append(max_pool(x))
            elif (stage, module) == (5, 1):
                outs.append(h.convs(f"{branch}pool.", F.max_pool2d(x, 3, 1, 1), (1, 1)))
            else:
                pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=True)
                outs.append(h.convs(f"{branch}pool.", pooled, (1, 1)))
            x = h.se(f"{at}se", torch.cat(outs, 1))
    return h.head(x)


CASES = {
    "se_resnet110_preact-depths2.2.2_r4": (preact, 24),
    "se_resnet164_preact-depths2.2.2_r4": (preact_bottleneck, 24),
    "se_shake_shake_26_2x96d-depths2.2.2-width8_r4": (shake_shake, 24),
    "se_shake_even_29_2x4x64d-depths2.2.2-width4_r4": (shake_even, 24),
    "se_shufflenet_v1_g3-depths2.2.2_r16": (shufflenet_v1, 70),
    "se_bn_inception-width0.25_r4": (bn_inception, 70),
}


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_those_computed_by_hand(name: str) -> None:
    by_hand, side = CASES[name]
    generator = torch.Generator().manual_seed(0)
    model = se_nas.materialize(name, num_classes=5).double().eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert isinstance(module.running_mean, Tensor)
                assert isinstance(module.running_var, Tensor)
                for tensor, low, high in (
                    (module.weight, 0.7, 1.3),
                    (module.bias, -0.3, 0.3),
                    (module.running_mean, -0.3, 0.3),
                    (module.running_var, 0.7, 1.3),
                ):
                    tensor.uniform_(low, high, generator=generator)
            if isinstance(module, nn.Linear) and module.bias is not None:
                module.bias.uniform_(-1, 1, generator=generator)
        images = torch.randn(2, 3, side, side, dtype=torch.double, generator=generator)
        ours, expected = model(images), by_hand(Hand(model.state_dict()), images)
        assert (ours[0] - ours[1]).abs().max() > 1e-3 * ours.abs().max()
        assert (ours - expected).abs().max() <= 1e-12 * expected.abs().max()
