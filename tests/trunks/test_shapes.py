"""Networks without a twin, convolution by convolution, against the tables of docs/paper/SPEC.md.

What is expected is written down here from SPEC 1.6, 1.8 and 1.10 once more, with plain loops and
none of the trunks' code: every convolution and fully connected layer with its channels, kernel,
stride, groups and the side of its output, and none beside them.
"""

from __future__ import annotations

from typing import TypeAlias

import pytest
import torch
from torch import Tensor, nn

import se_nas

# Channels in and out, kernel, stride, groups, side of the output.
Layer: TypeAlias = tuple[int, int, int, int, int, int]


def found(name: str, num_classes: int) -> dict[str, Layer]:
    layers: dict[str, Layer] = {}
    with torch.device("meta"):
        model = se_nas.materialize(name, num_classes=num_classes).eval()

    def note(path: str) -> None:
        def hook(module: nn.Module, _: tuple[Tensor], out: Tensor) -> None:
            assert path not in layers, "a layer that is called twice"
            if isinstance(module, nn.Linear):
                layers[path] = (module.in_features, module.out_features, 1, 1, 1, 1)
                return
            assert isinstance(module, nn.Conv2d)
            assert module.bias is None
            (kernel, other), (stride, _other) = module.kernel_size, module.stride
            assert kernel == other
            side = out.shape[-1]
            assert out.shape[-2] == side
            ends = (module.in_channels, module.out_channels)
            layers[path] = (*ends, kernel, stride, module.groups, side)

        model.get_submodule(path).register_forward_hook(hook)

    paths = [p for p, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    for path in paths:
        note(path)
    size = model.architecture.trunk.input_size
    with torch.device("meta"):
        model(torch.empty(1, 3, size, size))
    assert set(layers) == set(paths), "a layer that is never called"
    return layers


# 1×1 | 3×3 reduced, 3×3 | double reduced, a, b | pooled: SPEC 1.6.
BN_INCEPTION: dict[str, tuple[int, tuple[int, int], tuple[int, int, int], int, int]] = {
    "stage3.0": (64, (64, 64), (64, 96, 96), 32, 256),
    "stage3.1": (64, (64, 96), (64, 96, 96), 64, 320),
    "stage3.2": (0, (128, 160), (64, 96, 96), 0, 576),
    "stage4.0": (224, (64, 96), (96, 128, 128), 128, 576),
    "stage4.1": (192, (96, 128), (96, 128, 128), 128, 576),
    "stage4.2": (160, (128, 160), (128, 160, 160), 128, 608),
    "stage4.3": (96, (128, 192), (160, 192, 192), 128, 608),
    "stage4.4": (0, (128, 192), (192, 256, 256), 0, 1056),
    "stage5.0": (352, (192, 320), (160, 224, 224), 128, 1024),
    "stage5.1": (352, (192, 320), (192, 224, 224), 128, 1024),
}


def bn_inception() -> dict[str, Layer]:
    layers: dict[str, Layer] = {
        "conv1": (3, 64, 7, 2, 1, 112),
        "conv2": (64, 64, 1, 1, 1, 56),
        "conv3": (64, 192, 3, 1, 1, 56),
    }
    c_in, side = 192, 28
    for module, (one, (reduced, three), (first, a, b), pooled, c_out) in BN_INCEPTION.items():
        stride = 1 if one else 2
        out = side // stride
        at = f"{module}.concat.branch"
        if one:
            layers[f"{at}_1x1.conv1"] = (c_in, one, 1, 1, 1, side)
            layers[f"{at}_pool.conv1"] = (c_in, pooled, 1, 1, 1, side)
        layers[f"{at}_3x3.conv1"] = (c_in, reduced, 1, 1, 1, side)
        layers[f"{at}_3x3.conv2"] = (reduced, three, 3, stride, 1, out)
        layers[f"{at}_double.conv1"] = (c_in, first, 1, 1, 1, side)
        layers[f"{at}_double.conv2"] = (first, a, 3, 1, 1, side)
        layers[f"{at}_double.conv3"] = (a, b, 3, stride, 1, out)
        assert one + three + b + (pooled or c_in) == c_out, "SPEC's own column"
        c_in, side = c_out, out
    return layers | {"fc": (1024, 10, 1, 1, 1, 1)}


def shufflenet_v1(groups: int, channels: int) -> dict[str, Layer]:
    layers: dict[str, Layer] = {"conv_stem": (3, 24, 3, 2, 1, 112)}
    c_in, side = 24, 56
    for stage, units in ((2, 4), (3, 8), (4, 4)):
        c_out = channels << (stage - 2)
        for unit in range(units):
            first = unit == 0
            stride, side_in = (2, side) if first else (1, side)
            side = side // stride
            at = f"stage{stage}.{unit}." + ("concat.branch." if first else "")
            c_mid, width = c_out // 4, c_out - c_in if first else c_out
            ungrouped = first and stage == 2
            layers[f"{at}conv1"] = (c_in, c_mid, 1, 1, 1 if ungrouped else groups, side_in)
            layers[f"{at}conv_dw"] = (c_mid, c_mid, 3, stride, c_mid, side)
            layers[f"{at}conv2"] = (c_mid, width, 1, 1, groups, side)
            c_in = c_out
    return layers | {"fc": (4 * channels, 10, 1, 1, 1, 1)}


def preact(
    depth: int, widths: tuple[int, int, int], *, bottleneck: bool, projection: bool
) -> dict[str, Layer]:
    layers: dict[str, Layer] = {"conv_stem": (3, 16, 3, 1, 1, 32)}
    c_in, side = 16, 32
    for stage, width in zip((2, 3, 4), widths, strict=True):
        c_out = 4 * width if bottleneck else width
        for unit in range(depth):
            stride = 2 if unit == 0 and stage > 2 else 1
            side //= stride
            changed = c_in != c_out or stride == 2
            at = f"stage{stage}.{unit}." + ("residual." if changed else "")
            if changed and projection:
                layers[f"{at}downsample.conv"] = (c_in, c_out, 1, stride, 1, side)
            if bottleneck:
                layers[f"{at}conv1"] = (c_in, width, 1, stride, 1, side)
                layers[f"{at}conv2"] = (width, width, 3, 1, 1, side)
                layers[f"{at}conv3"] = (width, c_out, 1, 1, 1, side)
            else:
                layers[f"{at}conv1"] = (c_in, width, 3, stride, 1, side)
                layers[f"{at}conv2"] = (width, width, 3, 1, 1, side)
            c_in = c_out
    return layers | {"fc": (c_in, 10, 1, 1, 1, 1)}


def shake_shake() -> dict[str, Layer]:
    layers: dict[str, Layer] = {"conv_stem": (3, 16, 3, 1, 1, 32)}
    c_in, side = 16, 32
    for stage, c_out in ((2, 96), (3, 192), (4, 384)):
        for unit in range(4):
            stride = 2 if unit == 0 and stage > 2 else 1
            side //= stride
            at = f"stage{stage}.{unit}."
            if c_in != c_out:  # two paths: every second pixel, and the map moved by one
                taken = 1 if stage > 2 else stride
                layers[f"{at}downsample.paths.here.conv"] = (c_in, c_out // 2, 1, stride, 1, side)
                layers[f"{at}downsample.paths.moved.conv"] = (c_in, c_out // 2, 1, taken, 1, side)
            for branch in ("first", "second"):
                to = f"{at}shake.{branch}."
                layers[f"{to}conv1"] = (c_in, c_out, 3, stride, 1, side)
                layers[f"{to}conv2"] = (c_out, c_out, 3, 1, 1, side)
            c_in = c_out
    return layers | {"fc": (384, 10, 1, 1, 1, 1)}


def shake_even() -> dict[str, Layer]:
    layers: dict[str, Layer] = {"conv_stem": (3, 64, 3, 1, 1, 32)}
    c_in, side = 64, 32
    for stage, features in ((2, 64), (3, 128), (4, 256)):
        c_out = 4 * features
        for unit in range(3):
            stride = 2 if unit == 0 and stage > 2 else 1
            side_in, side = side, side // stride
            at = f"stage{stage}.{unit}."
            if unit == 0:
                layers[f"{at}downsample.conv"] = (c_in, c_out, 1, stride, 1, side)
            for branch in ("first", "second"):
                to, inner = f"{at}shake.{branch}.", 4 * features
                layers[f"{to}conv1"] = (c_in, inner, 1, 1, 1, side_in)
                layers[f"{to}conv2"] = (inner, inner, 3, stride, 4, side)
                layers[f"{to}conv3"] = (inner, c_out, 1, 1, 1, side)
            c_in = c_out
    return layers | {"fc": (1024, 100, 1, 1, 1, 1)}


EXPECTED = {
    "bn_inception": bn_inception(),
    "shufflenet_v1_g1": shufflenet_v1(1, 144),
    "shufflenet_v1_g3": shufflenet_v1(3, 240),
    "shufflenet_v1_g8": shufflenet_v1(8, 384),
    "resnet110_preact": preact(18, (16, 32, 64), bottleneck=False, projection=False),
    "resnet164_preact": preact(18, (16, 32, 64), bottleneck=True, projection=True),
    "wrn16_8": preact(2, (128, 256, 512), bottleneck=False, projection=True),
    "shake_shake_26_2x96d": shake_shake(),
    "shake_even_29_2x4x64d": shake_even(),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_every_convolution_is_the_one_of_the_spec(name: str) -> None:
    expected = EXPECTED[name]
    ours = found(name, expected["fc"][1])
    assert {k: v for k, v in ours.items() if expected.get(k) != v} == {}
    assert ours == expected
