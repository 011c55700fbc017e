"""Which networks are timed for a table, and which test it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from se_nas import SE, Space, choice, optional, per_stage, trunk
from se_nas.architecture.architecture import Architecture
from se_nas.latency.blocks import blocks
from se_nas.latency.cover import cover, draw_held_out
from se_nas.latency.settings import Signature
from se_nas.space.space_files import load_space, space_files

SIGNATURE = Signature(32, 3, 10)
SPACE = Space(
    "small",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4, 8), squeeze=choice("avg", "max")))),
)


def known_keys(networks: list[Architecture], signature: Signature = SIGNATURE) -> set[str]:
    return {block.key for a in networks for block in blocks(a, signature)}


@pytest.mark.parametrize("name", space_files())
def test_every_block_of_every_space_of_ours_is_covered(name: str) -> None:
    space = load_space(name)
    signature = Signature(32 if "small" in name or "digits" in name else 224)
    networks = cover(space, signature, 400)
    known = known_keys(networks, signature)
    rng = random.Random(1)
    for _ in range(300):
        assert {block.key for block in blocks(space.sample(rng), signature)} <= known
    assert len(networks) < 400


def test_a_cover_needs_as_many_networks_as_a_stage_has_options() -> None:
    options = 1 + 3 * 2
    # One more for every six others has the first option again, among others.
    assert 2 * options < len(cover(SPACE, SIGNATURE, 400)) <= 2 * (options + 1)


def test_blocks_without_se_are_in_several_networks() -> None:
    networks = cover(SPACE, SIGNATURE, 400)
    for stage in (2, 3, 4):
        without = [a for a in networks if a.stages[stage] is None]
        assert len({a.trunk for a in without}) == 2
        assert len(without) >= 4
        assert any(any(a.se) for a in without)
    assert known_keys(cover(SPACE, SIGNATURE, 400)) == known_keys(list(SPACE))


def test_a_limit_takes_all_trunks_in_turn_and_no_se_first() -> None:
    networks = cover(SPACE, SIGNATURE, 5)
    assert len(networks) == 5
    assert [str(a) for a in networks[:2]] == ["resnet8_small-width8", "resnet8_small"]
    assert {a.trunk for a in networks[2:4]} == {a.trunk for a in networks[:2]}
    assert cover(SPACE, SIGNATURE, 5) == networks, "the same each time"


def test_a_space_with_more_trunks_than_the_limit_is_drawn_from() -> None:
    wide = Space("wide", trunk=trunk("resnet8_small", width=choice(*range(8, 808))))
    networks = cover(wide, SIGNATURE, 20)
    assert 10 <= len(networks) <= 20
    widths = [a.trunk.width for a in networks]  # type: ignore[attr-defined]
    assert max(widths) > 400, "not the first ones of the list"


@pytest.mark.parametrize(
    "se",
    [
        SE(reduction=choice(2, 4)),
        choice(None, SE(2), per_stage(None, {2: SE(4)})),
        per_stage(optional(SE(2)), tie=[(2, 3)]),
    ],
)
def test_other_templates_are_covered_too(se: Any) -> None:
    space = Space("s", trunk="resnet8_small", se=se)
    assert known_keys(list(space)) <= known_keys(cover(space, SIGNATURE, 400))


def test_held_out_networks_are_those_that_matter_if_there_are_enough() -> None:
    space = load_space("digits_se")

    def with_three(architecture: Architecture) -> bool:
        return None not in architecture.se

    chosen = draw_held_out(space, 10, [], with_three)
    assert len({a.id for a in chosen}) == 10
    assert all(with_three(a) for a in chosen)
    tiny = Space("tiny", trunk="resnet8_small", se=optional(SE(2)))
    assert len(draw_held_out(tiny, 10, [Architecture("resnet8_small")])) == 1
