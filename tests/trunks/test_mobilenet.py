"""MobileNet v1, v2 and v3: shapes of the papers' tables, SE places, settings that do not fit."""

from __future__ import annotations

from typing import Any

import pytest

from se_nas import SE, Architecture, choice
from se_nas.cost.network_cost import cost
from se_nas.errors import InputError
from se_nas.layers import Act, Chain, Conv, Group, Linear, Norm, Residual, SEBlock
from se_nas.trunks.mobilenet_v1 import MobileNetV1
from se_nas.trunks.mobilenet_v2 import MobileNetV2
from se_nas.trunks.mobilenet_v3 import MobileNetV3

KINDS = [MobileNetV1, MobileNetV2, MobileNetV3]


def branch(layer: object) -> Chain:
    if isinstance(layer, Residual):
        return layer.branch
    assert isinstance(layer, Group)
    return layer.chain


def names(chain: Chain) -> list[str]:
    return [name for name, _ in chain]


def depthwise(trunk: MobileNetV1 | MobileNetV2 | MobileNetV3) -> list[tuple[int, int, int]]:
    """(channels, kernel, stride) of every depthwise convolution."""
    convs = []
    for number in trunk.stages:
        for _, block in trunk.stage_layers(number, None):
            conv = dict(branch(block))["conv_dw"]
            assert isinstance(conv, Conv)
            assert conv.groups == conv.c_in == conv.c_out
            convs.append((conv.c_in, conv.kernel_hw[0], conv.stride))
    return convs


def test_v1_has_the_rows_of_its_table() -> None:
    assert depthwise(MobileNetV1()) == [
        (32, 3, 1),
        (64, 3, 2),
        (128, 3, 1),
        (128, 3, 2),
        (256, 3, 1),
        (256, 3, 2),
        *[(512, 3, 1)] * 5,
        (512, 3, 2),
        (1024, 3, 1),
    ]


def test_v3_small_has_the_rows_of_its_table() -> None:
    assert depthwise(MobileNetV3("small")) == [
        (16, 3, 2),
        (72, 3, 2),
        (88, 3, 1),
        (96, 5, 2),
        (240, 5, 1),
        (240, 5, 1),
        (120, 5, 1),
        (144, 5, 1),
        (288, 5, 2),
        (576, 5, 1),
        (576, 5, 1),
    ]


@pytest.mark.parametrize(("variant", "relu_stages"), [("large", (1, 2, 3)), ("small", (1, 2))])
def test_v3_has_hard_swish_in_its_later_stages_and_its_own_batch_norm(
    variant: Any, relu_stages: tuple[int, ...]
) -> None:
    trunk = MobileNetV3(variant)
    for number in trunk.stages:
        for _, block in trunk.stage_layers(number, None):
            layers = [layer for _, layer in branch(block)]
            kinds = {layer.kind for layer in layers if isinstance(layer, Act)}
            assert kinds == ({"relu"} if number in relu_stages else {"hard_swish"})
            norms = {(n.eps, n.momentum) for n in layers if isinstance(n, Norm)}
            assert norms == {(0.001, 0.01)}


def test_v3_of_timm_has_other_norms_and_other_widths_below_1() -> None:
    one, timms = MobileNetV3("small", 0.5), MobileNetV3("small", 0.5, lineage="timm")
    assert [one.stem_channels, timms.stem_channels] == [8, 16]
    assert [dict(t.head_layers(7))["fc"] for t in (one, timms)] == [Linear(512, 7), Linear(1024, 7)]
    # Stage 3 begins with 16 channels: 96 · 0.5 = 48, and 16 · 96 / 24 = 64.
    assert [t.widths(3, 0) for t in (one, timms)] == [(16, 48, 24), (16, 64, 24)]
    assert dict(timms.stem_layers(3))["bn_stem"] == Norm(16, 1e-5, 0.1)


def test_v3_public_names_stand_for_the_published_se() -> None:
    large = Architecture.parse("mobilenet_v3_large")
    published = SE(4, placement="conv3x3", gate="hard_sigmoid", rounding="mobile8")
    assert large.stages == {1: None, 2: None, 3: published, 4: None, 5: published, 6: published}
    assert str(large) == "mobilenet_v3_large"
    small = Architecture.parse("mobilenet_v3_small")
    assert {number for number, se in small.stages.items() if se} == {1, 3, 4, 5}


def test_v3_repeats_the_last_expansion_in_blocks_beyond_the_table() -> None:
    assert depthwise(MobileNetV3("small", depths=(1, 4, 3, 2, 3)))[1:5] == [
        (72, 3, 2),
        (88, 3, 1),
        (88, 3, 1),
        (88, 3, 1),
    ]


@pytest.mark.parametrize(
    ("placement", "before", "channels"),
    [("standard", "act2", 128), ("pre", None, 64), ("conv3x3", "act1", 64)],
)
def test_v1_se_places(placement: Any, before: str | None, channels: int) -> None:
    chain = branch(MobileNetV1().stage_layers(2, SE(placement=placement))[0][1])
    at = names(chain).index("se")
    assert chain[at][1] == SEBlock(channels, channels // 16)
    assert (chain[at - 1][0] if at else None) == before


@pytest.mark.parametrize(
    ("placement", "before", "channels"),
    [("standard", "bn3", 32), ("pre", None, 32), ("conv3x3", "act2", 192)],
)
def test_v2_se_places(placement: Any, before: str | None, channels: int) -> None:
    block = MobileNetV2().stage_layers(3, SE(placement=placement))[1][1]
    assert isinstance(block, Residual)
    at = names(block.branch).index("se")
    assert block.branch[at][1] == SEBlock(channels, channels // 16)
    assert (block.branch[at - 1][0] if at else None) == before
    assert block.after == ()


def test_v2_post_is_behind_the_sum() -> None:
    block = MobileNetV2().stage_layers(3, SE(placement="post"))[1][1]
    assert isinstance(block, Residual)
    assert block.after == (("se", SEBlock(32, 2)),)
    assert "se" not in names(block.branch)


def test_v2_post_is_standard_where_there_is_no_shortcut() -> None:
    """One block a stage, none with a shortcut: the same layers, hence the same id."""
    trunk = MobileNetV2(depths=(1,) * 7)
    standard, post = (Architecture(trunk, SE(placement=p)) for p in ("standard", "post"))
    assert standard != post
    assert standard.id == post.id


@pytest.mark.parametrize("kind", KINDS)
def test_identity_is_not_offered(kind: Any) -> None:
    with pytest.raises(InputError, match="placement 'identity' in stage 1"):
        Architecture(kind(), SE(placement="identity"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_small_stem_only_drops_the_stride(kind: Any) -> None:
    imagenet, small = kind(), kind(stem="small")
    assert (imagenet.input_size, small.input_size) == (224, 32)
    ours, theirs = (cost(Architecture(trunk), input_size=64) for trunk in (imagenet, small))
    assert ours.params == theirs.params
    assert 3.5 < theirs.macs / ours.macs < 4.5


def test_settings_change_what_they_say() -> None:
    assert depthwise(MobileNetV2(expansions=(1, 3, 6, 6, 6, 6, 6)))[1:3] == [(48, 3, 2), (72, 3, 1)]
    assert [k for _, k, _ in depthwise(MobileNetV2(kernels=(3, 5, 3, 3, 3, 3, 7)))][1::15] == [5, 7]
    assert len(depthwise(MobileNetV1(depths=(1, 1, 1, 1, 1)))) == 5
    assert MobileNetV3(width=0.75).c_out(6) == 120


def test_templates_are_let_through_and_checked() -> None:
    MobileNetV1(width=choice(0.5, 1.0), depths=(1, 2, choice(1, 2), 6, 2))
    MobileNetV3(choice("large", "small"))
    MobileNetV2(kernels=choice((3,) * 7, (5,) * 7))
    with pytest.raises(InputError, match="width=0 of a mobilenet_v1"):
        MobileNetV1(width=choice(0, 1.0))
    with pytest.raises(InputError, match="4 is not one of"):
        MobileNetV2(kernels=(3, 3, 3, choice(3, 4), 3, 3, 3))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0.0}, "a factor from 0.1 to 8"),
        ({"width": float("nan")}, "a factor from 0.1 to 8"),
        ({"width": True}, "a factor from 0.1 to 8"),
        ({"width": "1.0"}, "a factor from 0.1 to 8"),
        ({"depths": (1, 2)}, r"depths=\(1, 2\) of a mobilenet_v\d: give a tuple of \d numbers"),
        ({"depths": 3}, "give a tuple of"),
        ({"stem": "imagnet"}, "did you mean 'imagenet'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    kind: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        kind(**settings)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [0, -1, 1.0, True])
def test_a_depth_is_a_whole_number_of_at_least_1(kind: Any, depth: Any) -> None:
    depths = (*kind().depths[:-1], depth)
    with pytest.raises(InputError, match="is not a depth of at least 1"):
        kind(depths=depths)


def test_further_settings_that_do_not_fit() -> None:
    with pytest.raises(InputError, match="unknown variant of a mobilenet_v3 'medium'"):
        MobileNetV3("medium")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="0 is not a factor of at least 1"):
        MobileNetV2(expansions=(0, 6, 6, 6, 6, 6, 6))
    with pytest.raises(InputError, match="a tuple of 5 numbers"):
        MobileNetV3("small", kernels=(3,) * 6)
