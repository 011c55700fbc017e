"""Every trunk of this package in the checks of ``se_nas.testing``, one by one."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from se_nas import SE, Architecture, testing, trunks
from se_nas.errors import InputError
from se_nas.trunks import PLACEMENTS

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


@pytest.mark.parametrize("name", ALL)
def test_a_trunk_builds_counts_and_keeps_its_name(name: str) -> None:
    architecture = Architecture.parse(name)
    assert architecture.trunk == ALL[name]
    testing.check_network(architecture)


@pytest.mark.parametrize(("name", "placement"), PLACED)
def test_a_placement_builds_counts_and_keeps_its_name(name: str, placement: str) -> None:
    testing.check_placement(ALL[name], placement)


@pytest.mark.parametrize("name", NAMED)
def test_settings_stages_and_spaces(name: str) -> None:
    testing.check_settings(NAMED[name])
    testing.check_stages(NAMED[name])
    testing.check_space(NAMED[name])


def test_named_trunks_are_different_networks() -> None:
    ids: dict[str, str] = {}
    for name, trunk in NAMED.items():
        assert ids.setdefault(Architecture(trunk).id, name) == name
    assert len(ids) == len(NAMED)


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("tiny", TINY)
def test_every_se_block_is_in_the_path(tiny: str, placement: str) -> None:
    trunk = Architecture.parse(tiny).trunk
    se = SE(reduction=4, placement=placement)  # type: ignore[arg-type]
    if placement not in trunk.placements:
        with pytest.raises(InputError):
            Architecture(trunk, se)
        return
    stages = Architecture(trunk, se).network().stages
    assert len(testing.check_blocks_are_used(trunk, placement)) == sum(
        # A shake has the block in both branches, or one for the whole unit; a reduction has none.
        (2 if trunk.family == "shake_shake" and placement in IN_A_BRANCH else 1)
        * (name != "reduction")
        for _, units in stages
        for name, _ in units
    )


@pytest.mark.parametrize("family", ["mobilenet_v1", "vgg"])
def test_a_whole_family(family: str) -> None:
    tiny = [Architecture.parse(name).trunk for name in TINY]
    testing.check_family(
        trunks.families()[family], [trunk for trunk in tiny if trunk.family == family]
    )
