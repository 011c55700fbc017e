"""Networks without a twin, layer by layer; settings of the new families that do not fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import se_nas
from se_nas import choice, layers
from se_nas.cost import cost
from se_nas.errors import InputError
from se_nas.layers import Concat, Conv, Dropout, Group, Pool, Residual, SEBlock
from se_nas.nn.ops import EndPaddedMaxPool
from se_nas.nn.squeeze_excitation import SqueezeExcitation
from se_nas.trunks import named
from se_nas.trunks.bn_inception import BNInception
from se_nas.trunks.inception_resnet_v2 import InceptionResNetV2
from se_nas.trunks.preact_resnet import PreActResNet
from se_nas.trunks.shake_shake import ShakeShake
from se_nas.trunks.vgg import VGG


def shapes(name: str, kind: type | tuple[type, ...]) -> dict[str, tuple[int, ...]]:
    """Output shapes, without the batch, of the modules of a kind in the order of their calls."""
    found: dict[str, tuple[int, ...]] = {}
    with torch.device("meta"):
        model = se_nas.materialize(name, num_classes=10).eval()
        for path, module in model.named_modules():
            if isinstance(module, kind):
                module.register_forward_hook(
                    lambda _m, _i, out, path=path: found.__setitem__(path, tuple(out.shape[1:]))
                )
        size = model.architecture.trunk.input_size
        model(torch.empty(1, 3, size, size))
    return found


@pytest.mark.parametrize("size", [(75, 75), (150, 97), (231, 299), (47, 224)])
def test_bn_inception_takes_odd_sides(size: tuple[int, int]) -> None:
    with torch.device("meta"):
        model = se_nas.materialize("se_bn_inception-width0.25_r16", num_classes=10).eval()
        assert model(torch.empty(1, 3, *size)).shape == (1, 10)
    macs, more = (cost(model.architecture, input_size=side).macs for side in (size, 320))
    assert 0 < macs < more


def test_a_pool_beside_a_convolution_is_as_before_for_even_sides() -> None:
    x_nchw = torch.randn(2, 3, 28, 14)
    pool = EndPaddedMaxPool(3, 2, ceil_mode=True, end=1)
    assert torch.equal(pool(x_nchw), nn.MaxPool2d(3, 2, ceil_mode=True)(x_nchw))
    odd_nchw = torch.randn(2, 3, 29, 7)
    last = odd_nchw[..., -1:, -1:]
    assert torch.equal(pool(odd_nchw)[..., -1:, -1:], last)


def test_bn_inception_has_the_modules_of_its_table() -> None:
    blocks = shapes("bn_inception", nn.Sequential)
    outs = [blocks[f"stage{s}.{i}"] for s, n in ((3, 3), (4, 5), (5, 2)) for i in range(n)]
    assert outs == [
        (256, 28, 28), (320, 28, 28), (576, 14, 14),
        (576, 14, 14), (576, 14, 14), (608, 14, 14), (608, 14, 14), (1056, 7, 7),
        (1024, 7, 7), (1024, 7, 7),
    ]  # fmt: skip
    convs = shapes("bn_inception", nn.Conv2d)

    def channels(module: str, branch: str) -> list[int]:
        return [
            c for path, (c, *_) in convs.items() if path.startswith(f"{module}.concat.{branch}.")
        ]

    modules = ("stage3.0", "stage3.2", "stage4.0", "stage5.1")
    assert [channels(m, "branch_1x1") for m in modules] == [[64], [], [224], [352]]
    assert channels("stage4.2", "branch_3x3") == [128, 160]
    assert channels("stage4.2", "branch_double") == [128, 160, 160]
    assert channels("stage4.4", "branch_double") == [192, 256, 256]
    assert [channels(f"stage{m}", "branch_pool") for m in ("3.0", "3.1", "3.2", "5.0")] == [
        [32], [64], [], [128]
    ]  # fmt: skip


def test_bn_inception_pools_as_released() -> None:
    pools = []
    for number in (3, 4, 5):
        for _, module in BNInception().stage_layers(number, None):
            assert isinstance(module, Group)
            concat = dict(module.chain)["concat"]
            assert isinstance(concat, Concat)
            assert list(dict(concat.branches))[-1] == "branch_pool"
            pools.append(dict(dict(concat.branches)["branch_pool"])["pool"])
    mean, passed = Pool("avg", stride=1, padding=1), layers.EndPaddedMaxPool("max", ceil=True)
    last = Pool("max", stride=1, padding=1)
    assert pools == [mean, mean, passed, *[mean] * 4, passed, mean, last]


def widths(name: str) -> list[tuple[int, int]]:
    """(channels, squeeze width) of every SE block."""
    with torch.device("meta"):
        model = se_nas.materialize(name)
    blocks = (m for m in model.modules() if isinstance(m, SqueezeExcitation))
    return [(block.fc2.out_features, block.fc1.out_features) for block in blocks]


def test_se_blocks_have_the_papers_widths() -> None:
    assert [m for _, m in widths("se_bn_inception_r16")] == [16, 20, 36, 36, 36, 38, 38, 66, 64, 64]
    vgg = [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert [c for c, _ in widths("se_vgg16_bn_r16")] == vgg
    irv2 = [320] * 10 + [1088] * 20 + [2080] * 10
    assert [c for c, _ in widths("se_inception_resnet_v2_r16")] == irv2
    assert widths("se_resnet110_preact_r16") == [(16, 1)] * 18 + [(32, 2)] * 18 + [(64, 4)] * 18
    assert [c for c, _ in widths("se_wrn16_8_r16")] == [128] * 2 + [256] * 2 + [512] * 2
    assert [c for c, _ in widths("se_shake_shake_26_2x96d_r16")] == [96] * 8 + [192] * 8 + [384] * 8
    assert [c for c, _ in widths("se_shake_shake_26_2x96d_r16_post")] == (
        [96] * 4 + [192] * 4 + [384] * 4
    )


def test_vgg_recalibrates_before_the_pool_and_the_image_never() -> None:
    trunk = VGG()
    first = trunk.stage_layers(1, se_nas.SE(16))
    assert [name for name, _ in first] == ["se", "1"]
    assert first[0][1] == SEBlock(64, 4)
    (_, unit), *_ = trunk.stage_layers(2, se_nas.SE(16))
    assert isinstance(unit, Group)
    assert [name for name, _ in unit.chain] == ["pool", "conv", "bn", "relu", "se"]
    (_, unit), *_ = trunk.stage_layers(2, se_nas.SE(16, placement="pre"))
    assert isinstance(unit, Group)
    assert [name for name, _ in unit.chain] == ["pool", "se", "conv", "bn", "relu"]
    assert len(widths("se_vgg16_bn_r16_pre")) == 12


@pytest.mark.parametrize(
    ("name", "stem", "outs", "depth"),
    [
        ("resnet110_preact", 16, (16, 32, 64), 18),
        ("resnet164_preact", 16, (64, 128, 256), 18),
        ("wrn16_8", 16, (128, 256, 512), 2),
        ("shake_shake_26_2x96d", 16, (96, 192, 384), 4),
        ("shake_even_29_2x4x64d", 64, (256, 512, 1024), 3),
    ],
)
def test_small_networks_have_the_stages_of_their_papers(
    name: str, stem: int, outs: tuple[int, ...], depth: int
) -> None:
    trunk = named()[name]
    found = shapes(name, (nn.Conv2d, nn.Sequential))
    assert found["conv_stem"] == (stem, 32, 32)
    assert [found[f"stage{number}"] for number in (2, 3, 4)] == [
        (c, side, side) for c, side in zip(outs, (32, 16, 8), strict=True)
    ]
    assert [len(trunk.stage_layers(number, None)) for number in (2, 3, 4)] == [depth] * 3


def test_preactivation_is_shared_where_the_shape_changes() -> None:
    trunk = PreActResNet(block="bottleneck", shortcut="conv")
    first, second = (layer for _, layer in trunk.stage_layers(3, None)[:2])
    assert isinstance(first, Group)
    assert [name for name, _ in first.chain] == ["bn1", "relu1", "residual"]
    residual = dict(first.chain)["residual"]
    assert isinstance(residual, Residual)
    assert residual.act is None
    assert residual.shortcut == (("conv", Conv(64, 128, 1, 2)),)
    assert dict(residual.branch)["conv1"] == Conv(64, 32, 1, 2)
    assert dict(residual.branch)["conv2"] == Conv(32, 32, 3)
    assert isinstance(second, Residual)
    assert [name for name, _ in second.branch][:3] == ["bn1", "relu1", "conv1"]
    assert second.shortcut == ()
    # ResNet-110's first unit changes nothing: its own batch norm and ReLU, a plain identity.
    assert isinstance(PreActResNet().stage_layers(2, None)[0][1], Residual)


def test_inception_resnet_v2_ends_without_relu_and_scale() -> None:
    scales = []
    for number in (1, 2, 3):
        blocks = InceptionResNetV2().stage_layers(number, None)[-2:]
        scales += [(block.scale, block.act is not None) for _, block in blocks]  # type: ignore[union-attr]
    assert scales == [(0.17, True)] * 2 + [(0.1, True)] * 2 + [(0.2, True), (1.0, False)]


def test_senet154_has_the_four_changes_of_the_appendix_that_are_layers() -> None:
    """(a) half as wide a first 1×1, (b) three 3×3 for the 7×7, (c) 3×3 projections with stride 2,
    (d) dropout of 0.2; (e)–(g) are about training: the recipe senet154, tests/test_recipes.py."""
    network = se_nas.Architecture.parse("senet154").network()
    stem = [layer for _, layer in network.stem if isinstance(layer, Conv)]
    assert stem == [Conv(3, 64, 3, 2), Conv(64, 64, 3), Conv(64, 128, 3)]
    assert [layer for _, layer in network.head if isinstance(layer, Dropout)] == [Dropout(0.2)]
    for i, (_, blocks) in enumerate(network.stages):
        block = blocks[0][1]
        assert isinstance(block, Residual)
        convs = [layer for _, layer in block.branch if isinstance(layer, Conv)]
        out = 256 << i
        assert [conv.c_out for conv in convs] == [out // 2, out, out]
        assert convs[1].groups == 64
        projection = block.shortcut[0][1]
        assert isinstance(projection, Conv)
        assert (projection.kernel, projection.stride) == ((3, 2) if i else (1, 1))
        assert block.branch[-1][1] == SEBlock(out, out // 16)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (VGG, {"depths": (2, 2)}, "5 numbers"),
        (VGG, {"width": 64.0}, "width=64.0 of a vgg: give a whole number"),
        (VGG, {"hidden": 0}, "hidden=0 of a vgg: give a whole number of at least 1"),
        (VGG, {"stem": "deep"}, "unknown stem of a vgg 'deep'"),
        (BNInception, {"width": 0}, "factor from 0.1 to 8"),
        (InceptionResNetV2, {"depths": (1, 0, 1)}, "a depth of at least 1"),
        (InceptionResNetV2, {"width": choice(1, 9)}, "factor from 0.1 to 8"),
        (PreActResNet, {"shortcut": "A"}, "unknown shortcut of a preact_resnet 'A'"),
        (PreActResNet, {"stem_width": 17}, "use shortcut='conv'"),
        (PreActResNet, {"block": choice("basic", "wide")}, "unknown block"),
        (ShakeShake, {"backward": "evn"}, "did you mean 'even'"),
        (ShakeShake, {"groups": 4}, "basic blocks have one group"),
        (ShakeShake, {"width": 95}, "two equal halves"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    kind: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        kind(**settings)
