"""ResNet: lineages, widths and settings that do not fit."""

from __future__ import annotations

from typing import Any

import pytest

from se_nas import SE, Architecture, choice
from se_nas.errors import InputError
from se_nas.layers import Conv, Pool, Residual, SEBlock
from se_nas.trunks import named
from se_nas.trunks.resnet import ResNet


def block(trunk: ResNet, number: int, index: int = 0, se: SE | None = None) -> Residual:
    layer = trunk.stage_layers(number, se)[index][1]
    assert isinstance(layer, Residual)
    return layer


def strides(residual: Residual) -> dict[str, int]:
    return {name: layer.stride for name, layer in residual.branch if isinstance(layer, Conv)}


def resnet(name: str) -> ResNet:
    trunk = named()[name]
    assert isinstance(trunk, ResNet)
    return trunk


@pytest.mark.parametrize(
    ("name", "strided"),
    [
        ("resnet50", "conv1"),
        ("resnet50_tv", "conv2"),
        ("resnext50_32x4d", "conv2"),
        ("senet154_trunk", "conv2"),
    ],
)
def test_the_lineage_says_where_the_stride_is(name: str, strided: str) -> None:
    trunk = resnet(name)
    for number in trunk.stages:
        expected = 2 if number > 2 else 1
        assert strides(block(trunk, number)) == {
            conv: expected if conv == strided else 1 for conv in ("conv1", "conv2", "conv3")
        }
        assert set(strides(block(trunk, number, 1)).values()) == {1}


@pytest.mark.parametrize(
    ("name", "pool"),
    [("resnet50", Pool("max", ceil=True)), ("resnet50_tv", Pool("max", padding=1))],
)
def test_the_lineage_says_how_the_stem_pools(name: str, pool: Pool) -> None:
    assert dict(resnet(name).stem_layers(3))["maxpool"] == pool


def test_senet154_halves_the_first_convolution_and_projects_with_3x3() -> None:
    trunk = resnet("senet154_trunk")
    convs = dict(block(trunk, 3).branch)
    assert convs["conv1"] == Conv(256, 256, 1)
    assert convs["conv2"] == Conv(256, 512, 3, 2, groups=64)
    assert dict(block(trunk, 3).shortcut)["0"] == Conv(256, 512, 3, 2)
    assert dict(block(trunk, 2).shortcut)["0"] == Conv(128, 256, 1, 1)


@pytest.mark.parametrize("placement", ["standard", "pre", "post", "identity", "conv3x3"])
def test_se_goes_where_figure_5_has_it(placement: Any) -> None:
    """Stage 3's first block: 256 channels in, 128 in the 3×3, 512 out (SPEC 2)."""
    residual = block(resnet("resnet50"), 3, se=SE(placement=placement, bias=False))
    found = {
        "standard": residual.branch[-1][1],
        "pre": residual.branch[0][1],
        "post": residual.after[-1][1] if residual.after else None,
        "identity": residual.shortcut[-1][1],
        "conv3x3": residual.branch[[n for n, _ in residual.branch].index("relu2") + 1][1],
    }
    channels = {"pre": 256, "conv3x3": 128}.get(placement, 512)
    assert found.pop(placement) == SEBlock(channels, channels // 16, bias=False)
    assert not any(isinstance(layer, SEBlock) for layer in found.values())


def test_a_basic_block_has_no_conv3x3() -> None:
    with pytest.raises(InputError, match="placement 'conv3x3' in stage 2"):
        Architecture("resnet18", SE(placement="conv3x3"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depths": ()}, "1 to 7 stages"),
        ({"depths": (1,) * 8}, "1 to 7 stages"),
        ({"depths": (3, 0, 6, 3)}, "at least one block"),
        ({"depths": (3, choice(0, 1))}, "at least one block"),
        ({"block": "botleneck"}, "did you mean 'bottleneck'"),
        ({"block": choice("basic", "wide")}, "unknown block of a resnet 'wide'"),
        ({"lineage": "caffe"}, "unknown lineage of a resnet 'caffe'"),
        ({"stem": "large"}, "unknown stem of a resnet 'large'"),
        ({"projection": 5}, "unknown projection of a resnet 5"),
        ({"width": 0}, "width=0 of a resnet: give a whole number of at least 1"),
        ({"groups": 3}, "no multiple"),
        ({"groups": 0}, "groups=0 of a resnet: give a whole number of at least 1"),
        ({"block": "basic", "groups": 2}, "basic blocks have one group"),
        ({"dropout": 1.0}, r"\[0, 1\)"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ResNet(**settings)
