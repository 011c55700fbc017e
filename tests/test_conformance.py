"""What every trunk must do, whoever adds it: each named trunk in each placement that it offers."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import se_nas
from se_nas import SE, Architecture, Space, choice, optional, per_stage, trunks
from se_nas.cost.network_cost import cost
from se_nas.errors import InputError
from se_nas.nn.squeeze_excitation import SqueezeExcitation
from se_nas.trunks import PLACEMENTS, Trunk

NAMED = trunks.named()
SMALL = {
    f"{name}-stem.small": replace(trunk, stem="small")
    for name, trunk in NAMED.items()
    if "stem" in {field.name for field in fields(trunk)} and getattr(trunk, "stem", "") != "deep"
}
# Whole, these are so deep that a test of one takes seconds.
SHORT = {
    name: Architecture.parse(name).trunk
    for name in (
        "inception_resnet_v2-depths1.2.2",
        "inception_resnet_v2-depths1.2.2-stem.small",
        "resnet110_preact-depths2.2.1",
        "resnet164_preact-depths2.2.1",
    )
}
ALL = NAMED | SMALL | SHORT
# One of every family and block; the full product would only repeat them.
REPRESENTATIVE = [
    "resnet18",
    "resnet50",
    "resnet50_tv",
    "resnext50_32x4d",
    "senet154_trunk",
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3_large_trunk",
    "mobilenet_v3_small_trunk",
    "shufflenet_v1_g1",
    "shufflenet_v1_g3",
    "shufflenet_v1_g8",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "vgg16_bn",
    "bn_inception",
    *SHORT,
    "shake_shake_26_2x96d",
    "shake_even_29_2x4x64d",
]
PLACED = [
    (name, placement)
    for name in [*REPRESENTATIVE, *(f"{n}-stem.small" for n in REPRESENTATIVE)]
    if name in ALL
    for placement in ALL[name].placements
]
# Small enough to run on a CPU in moments; every block of the family is in it.
TINY = [
    "resnet18-depths1.1-width8-stem.small",
    "resnet50-depths1.1-width8-stem.small",
    "mobilenet_v1-width0.25-depths1.1.2.1.1-stem.small",
    "mobilenet_v2-width0.25-depths1.2.1.1.1.1.1-stem.small",
    "mobilenet_v3_small_trunk-width0.25-stem.small",
    "shufflenet_v1_g2-scale0.25-depths2.2.1-stem.small",
    "shufflenet_v2_x0_5-depths2.2.1-stem.small",
    "vgg16_bn-depths2.1.1.2.1-width8-stem.small",
    "bn_inception-width0.25-stem.small",
    "inception_resnet_v2-depths1.2.2-width0.25-stem.small",
    "resnet110_preact-depths2.2.1-width8-stem_width4",
    "resnet164_preact-depths2.2.1-width4",
    "shake_shake_26_2x96d-depths2.2.1-width8",
    "shake_even_29_2x4x64d-depths2.2.1-width4-groups2",
]
IN_A_BRANCH = ("standard", "pre", "conv3x3")


def on_meta(architecture: Architecture) -> tuple[nn.Module, int]:
    """The model of 10 classes for grey images, and the multiply-adds of its forward pass."""
    size = architecture.trunk.input_size
    with torch.device("meta"):
        model = se_nas.materialize(architecture, num_classes=10, in_channels=1).eval()
        with FlopCounterMode(display=False) as counter:
            out = model(torch.empty(2, 1, size, size))
    assert out.shape == (2, 10)
    return model, counter.get_total_flops() // 4


def check(architecture: Architecture) -> None:
    model, macs = on_meta(architecture)
    expected = cost(architecture, num_classes=10, in_channels=1)
    assert sum(parameter.numel() for parameter in model.parameters()) == expected.params
    assert macs == expected.macs
    blocks = [name for name, m in model.named_modules() if isinstance(m, SqueezeExcitation)]
    for number, se in architecture.stages.items():
        prefix = architecture.trunk.stage_name(number) + "."
        assert any(name.startswith(prefix) for name in blocks) == (se is not None)
    assert Architecture.parse(str(architecture)) == architecture
    assert Architecture.from_json(architecture.to_json()) == architecture


@pytest.mark.parametrize("name", ALL)
def test_a_trunk_builds_counts_and_keeps_its_name(name: str) -> None:
    architecture = Architecture.parse(name)
    assert architecture.trunk == ALL[name]
    check(architecture)


@pytest.mark.parametrize(("name", "placement"), PLACED)
def test_a_placement_builds_counts_and_keeps_its_name(name: str, placement: str) -> None:
    trunk = ALL[name]
    se = SE(reduction=8, placement=placement)  # type: ignore[arg-type]
    check(Architecture(trunk, se))
    # Only in the last stage: the others must stay without.
    check(Architecture(trunk, (None,) * (len(trunk.stages) - 1) + (se,)))


@pytest.mark.parametrize("name", NAMED)
def test_a_placement_that_is_not_offered_is_refused(name: str) -> None:
    trunk: Trunk = NAMED[name]
    assert set(trunk.placements) <= set(PLACEMENTS)
    for placement in set(PLACEMENTS) - set(trunk.placements):
        with pytest.raises(InputError, match=f"placement '{placement}' in stage"):
            Architecture(trunk, SE(placement=placement))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMED)
def test_stages_have_one_digit_and_names_of_their_own(name: str) -> None:
    trunk = NAMED[name]
    assert all(0 <= number <= 9 for number in trunk.stages)
    assert list(trunk.stages) == sorted(set(trunk.stages))
    assert len({trunk.stage_name(number) for number in trunk.stages}) == len(trunk.stages)


@pytest.mark.parametrize("name", NAMED)
def test_a_space_can_be_built_over_it(name: str) -> None:
    """Every placement in every stage, drawn, priced, found again and written as JSON."""
    trunk = NAMED[name]
    se = SE(reduction=choice(4, 16), placement=choice(*trunk.placements))
    space = Space("any", trunk=name, se=per_stage(optional(se)))
    assert Space.from_json(space.to_json()) == space
    drawn = {space.sample(seed) for seed in range(20)}
    assert len(drawn) > 10
    for architecture in drawn:
        assert architecture.trunk == trunk
        assert architecture in space
        assert cost(architecture).params >= cost(name).params


def test_named_trunks_are_different_networks() -> None:
    ids: dict[str, str] = {}
    for name, trunk in NAMED.items():
        assert ids.setdefault(Architecture(trunk).id, name) == name
    assert len(ids) == len(NAMED)


@pytest.mark.parametrize("name", NAMED)
def test_settings_can_be_written_into_a_name(name: str) -> None:
    """The rules of names: types that can be read back, unambiguous beginnings."""
    trunk = NAMED[name]
    for field in fields(trunk):
        value = getattr(trunk, field.name)
        assert not field.name[-1].isdigit()
        assert isinstance(value, (bool, int, float, str, tuple))
        if isinstance(value, tuple):
            assert value
            assert all(type(item) is int for item in value)


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("tiny", TINY)
def test_every_se_block_is_in_the_path(tiny: str, placement: str) -> None:
    """Opening one gate from ½ to 1 changes the output: for each block of the network.

    In double precision, because an early block of a narrow network moves the output by 1e-7.
    """
    trunk = Architecture.parse(tiny).trunk
    if placement not in trunk.placements:
        with pytest.raises(InputError):
            Architecture(trunk, SE(placement=placement))  # type: ignore[arg-type]
        return
    torch.manual_seed(0)
    se = SE(reduction=4, placement=placement)  # type: ignore[arg-type]
    model = se_nas.materialize(Architecture(trunk, se), num_classes=5).double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.bias, 0.1, 0.5)  # no map that is zero all over
    blocks = {name: m for name, m in model.named_modules() if isinstance(m, SqueezeExcitation)}
    assert len(blocks) == sum(
        # A shake has the block in both branches, or one for the whole unit; a reduction has none.
        (2 if trunk.family == "shake_shake" and placement in IN_A_BRANCH else 1)
        * (name != "reduction")
        for stage in model.stage_names
        for name, _ in getattr(model, stage).named_children()
    )
    with torch.no_grad():
        for block in blocks.values():
            block.fc2.weight.zero_()
        images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
        before = model(images)
        assert torch.equal(model(images), before)
        for name, block in blocks.items():
            block.fc2.bias.fill_(30.0)
            change = (model(images) - before).abs().max() / before.abs().max()
            block.fc2.bias.zero_()
            assert change > 1e-9, name
        assert torch.equal(model(images), before)
