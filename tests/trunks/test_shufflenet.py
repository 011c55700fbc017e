"""ShuffleNet v1 and v2: shapes of the papers' tables, SE places, settings that do not fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from se_nas import SE, Architecture, choice, materialize
from se_nas.errors import InputError
from se_nas.layers import Chain, Concat, Conv, Group, Residual, SEBlock, Shuffle
from se_nas.nn.blocks import Shuffle as ShuffleModule
from se_nas.trunks.shufflenet_v1 import ShuffleNetV1
from se_nas.trunks.shufflenet_v2 import ShuffleNetV2

KINDS = [ShuffleNetV1, ShuffleNetV2]


def parts(layer: object) -> dict[str, Chain]:
    """The chains of a unit with a concatenation: shortcut, branch and what follows."""
    assert isinstance(layer, Group)
    concat = layer.chain[0][1]
    assert isinstance(concat, Concat)
    return dict(concat.branches) | {"after": layer.chain[1:]}


def found(chains: dict[str, Chain]) -> dict[str, tuple[str | None, SEBlock]]:
    """Chain → (layer before the SE block, the block)."""
    out: dict[str, tuple[str | None, SEBlock]] = {}
    for where, chain in chains.items():
        for i, (_, layer) in enumerate(chain):
            if isinstance(layer, SEBlock):
                out[where] = (chain[i - 1][0] if i else None, layer)
    return out


@pytest.mark.parametrize(("groups", "channels"), [(1, 144), (2, 200), (3, 240), (4, 272), (8, 384)])
def test_v1_has_the_channels_of_its_table(groups: int, channels: int) -> None:
    trunk = ShuffleNetV1(groups)
    assert [trunk.c_out(number) for number in trunk.stages] == [
        channels,
        2 * channels,
        4 * channels,
    ]
    first = dict(parts(trunk.stage_layers(2, None)[0][1])["branch"])
    assert first["conv1"] == Conv(24, channels // 4, 1), "stage 2 begins without groups"
    assert first["conv2"] == Conv(channels // 4, channels - 24, 1, groups=groups)
    second = trunk.stage_layers(3, None)[1][1]
    assert isinstance(second, Residual)
    assert dict(second.branch)["conv1"] == Conv(2 * channels, channels // 2, 1, groups=groups)
    shuffles = [layer for _, layer in second.branch if isinstance(layer, Shuffle)]
    assert shuffles == ([Shuffle(groups)] if groups > 1 else [])


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("scale", [0.1, 0.25, 0.5, 0.77, 1.5, 2.0])
def test_v1_keeps_every_scale_divisible(groups: int, scale: float) -> None:
    model = materialize(Architecture(ShuffleNetV1(groups, scale, (1, 1, 1))), num_classes=3).eval()
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 3)


def test_v1_scale_is_that_of_the_paper() -> None:
    """ShuffleNet 0.5× (g = 3) has 12, 120, 240 and 480 channels."""
    trunk = ShuffleNetV1(3, 0.5)
    assert [trunk.stem_channels, *(trunk.c_out(n) for n in trunk.stages)] == [12, 120, 240, 480]


@pytest.mark.parametrize(
    ("placement", "where", "before", "channels"),
    [
        ("standard", "branch", "bn3", 216),
        ("pre", "branch", None, 24),
        ("post", "after", "relu", 240),
        ("identity", "shortcut", "pool", 24),
        ("conv3x3", "branch", "bn2", 60),
    ],
)
def test_v1_se_places_in_a_unit_with_stride(
    placement: Any, where: str, before: str | None, channels: int
) -> None:
    unit = ShuffleNetV1().stage_layers(2, SE(placement=placement))[0][1]
    assert found(parts(unit)) == {where: (before, SEBlock(channels, max(1, channels // 16)))}


@pytest.mark.parametrize(
    ("placement", "where", "before", "channels"),
    [
        ("standard", "branch", "bn3", 240),
        ("pre", "branch", None, 240),
        ("post", "after", None, 240),
        ("identity", "shortcut", None, 240),
        ("conv3x3", "branch", "bn2", 60),
    ],
)
def test_v1_se_places_in_a_unit_with_a_sum(
    placement: Any, where: str, before: str | None, channels: int
) -> None:
    unit = ShuffleNetV1().stage_layers(2, SE(placement=placement))[1][1]
    assert isinstance(unit, Residual)
    chains = {"branch": unit.branch, "shortcut": unit.shortcut, "after": unit.after}
    assert found(chains) == {where: (before, SEBlock(channels, channels // 16))}


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize(
    ("placement", "where", "before", "channels"),
    [
        ("standard", "branch", ("relu3", "relu3"), (58, 58)),
        ("pre", "branch", (None, None), (24, 58)),
        ("post", "after", ("shuffle", "shuffle"), (116, 116)),
        ("identity", "shortcut", ("relu", None), (58, 58)),
        ("conv3x3", "branch", ("bn2", "bn2"), (58, 58)),
    ],
)
def test_v2_se_places(
    index: int,
    placement: Any,
    where: str,
    before: tuple[str | None, str | None],
    channels: tuple[int, int],
) -> None:
    unit = ShuffleNetV2().stage_layers(2, SE(placement=placement))[index][1]
    width = channels[index]
    assert found(parts(unit)) == {where: (before[index], SEBlock(width, max(1, width // 16)))}


def test_shuffle_transposes_groups_and_channels() -> None:
    x = torch.arange(6.0).reshape(1, 6, 1, 1)
    assert ShuffleModule(2)(x).flatten().tolist() == [0, 3, 1, 4, 2, 5]


@pytest.mark.parametrize("kind", KINDS)
def test_the_small_stem_has_neither_stride_nor_pool(kind: Any) -> None:
    trunk = kind(stem="small")
    assert trunk.input_size == 32
    assert "maxpool" in dict(kind().stem_layers(3))
    model = materialize(Architecture(trunk), num_classes=3).eval()
    assert model.forward_features(torch.zeros(1, 3, 32, 32)).shape[2:] == (4, 4)


def test_templates_are_let_through_and_checked() -> None:
    ShuffleNetV1(groups=choice(2, 3), scale=choice(0.5, 1.0))
    with pytest.raises(InputError, match=r"unknown scale of a shufflenet_v2 0\.75"):
        ShuffleNetV2(scale=choice(0.5, 0.75))


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (ShuffleNetV1, {"groups": 5}, "unknown groups of a shufflenet_v1 5.*1, 2, 3, 4, 8"),
        (ShuffleNetV1, {"groups": 3.0}, "unknown groups of a shufflenet_v1 3.0"),
        (ShuffleNetV1, {"groups": True}, "unknown groups of a shufflenet_v1 True"),
        (ShuffleNetV1, {"scale": 0.0}, "a factor from 0.1 to 8"),
        (ShuffleNetV1, {"depths": (4, 8)}, "a tuple of 3 numbers"),
        (ShuffleNetV2, {"depths": (4, 0, 4)}, "0 is not a depth of at least 1"),
        (ShuffleNetV2, {"scale": 0.75}, "unknown scale of a shufflenet_v2 0.75"),
        (ShuffleNetV2, {"stem": "deep"}, "unknown stem of a shufflenet_v2 'deep'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    kind: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        kind(**settings)
