"""How a network is cut, and which blocks are one."""

from __future__ import annotations

import pytest

from se_nas import SE, Architecture, list_models
from se_nas.cost.network_cost import cost
from se_nas.latency.blocks import blocks, split, stage_shapes
from se_nas.latency.settings import Signature
from se_nas.layers import Act, Conv, Norm, Residual, chain

SIGNATURE = Signature(224)


def keys(name: str) -> list[str]:
    return [block.key for block in blocks(Architecture.parse(name), SIGNATURE)]


@pytest.mark.parametrize("name", list_models())
def test_the_blocks_of_every_listed_network_add_up_to_it(name: str) -> None:
    architecture = Architecture.parse(name)
    signature = Signature(architecture.trunk.input_size, 4, 10)
    found = blocks(architecture, signature)
    whole = cost(architecture, input_size=signature.image_size, in_channels=4, num_classes=10)
    assert sum(block.params for block in found) == whole.params
    assert sum(block.macs for block in found) == whole.macs


def test_equal_units_of_a_stage_are_one_block() -> None:
    found = keys("resnet50")
    assert len(found) == 1 + 3 + 4 + 6 + 3 + 1
    assert len(set(found)) == 1 + 4 * 2 + 1


def test_trunks_share_the_blocks_that_they_have_in_common() -> None:
    assert set(keys("resnet18")) == set(keys("resnet34"))
    assert not set(keys("resnet50")) & set(keys("mobilenet_v1"))


def test_a_block_depends_on_the_shape_of_its_input() -> None:
    architecture = Architecture("resnet18")
    small = {block.key for block in blocks(architecture, Signature(112))}
    large = {block.key for block in blocks(architecture, Signature(224))}
    assert not small & large


def test_gates_of_one_operation_on_a_pooled_vector_are_alike() -> None:
    assert keys("se_resnet50_r16") == keys("se_resnet50_r16_tanh")
    assert keys("se_resnet50_r16") != keys("se_resnet50_r16_2sigmoid")
    assert keys("se_resnet50_r16") != keys("se_resnet50_r16_max")
    assert keys("se_resnet50_r16") != keys("se_resnet50_r8")
    no_squeeze = [
        keys(str(Architecture("resnet50", SE(squeeze="none", gate=gate))))
        for gate in ("sigmoid", "tanh")  # on the whole map: not alike
    ]
    assert no_squeeze[0] != no_squeeze[1]


@pytest.mark.parametrize("placement", ["standard", "pre", "post", "identity", "conv3x3"])
def test_the_base_is_the_block_without_se(placement: str) -> None:
    plain = blocks(Architecture("resnet50"), SIGNATURE)
    se = blocks(Architecture("resnet50", SE(placement=placement)), SIGNATURE)  # type: ignore[arg-type]
    assert [block.base for block in se] == [block.key for block in plain]
    assert [block.key for block in se[1:-1]] != [block.key for block in plain[1:-1]]


@pytest.mark.parametrize("trunk", ["shufflenet_v2_x1_0", "mobilenet_v2", "inception_resnet_v2"])
def test_the_base_looks_into_branches_and_groups(trunk: str) -> None:
    plain = blocks(Architecture(trunk), SIGNATURE)
    se = blocks(Architecture(trunk, SE()), SIGNATURE)
    assert [block.base for block in se] == [block.key for block in plain]


def test_plain_layers_that_follow_one_another_are_one_piece() -> None:
    conv, unit = Conv(4, 4, 3), Residual(chain(conv=Conv(4, 4)))
    stage = chain(a=conv, b=Norm(4), c=Act(), d=unit, e=unit, f=conv, g=Act())
    assert [[name for name, _ in piece] for piece in split(stage)] == [
        ["a", "b", "c"],
        ["d"],
        ["e"],
        ["f", "g"],
    ]


def test_the_shapes_that_go_into_the_stages() -> None:
    trunk = Architecture("resnet50").trunk
    assert stage_shapes(trunk, SIGNATURE) == (
        (64, 56, 56),
        (256, 56, 56),
        (512, 28, 28),
        (1024, 14, 14),
    )
