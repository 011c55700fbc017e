"""Known networks by name, and the grid."""

from __future__ import annotations

import pytest

from se_nas import SE, Space, choice, optional, params, per_stage, trunk
from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import cost
from se_nas.errors import InputError
from se_nas.search.study.initial_points import (
    GRID_LIMIT,
    check_enqueued,
    initial_points,
    parse_enqueued,
    parse_in_space,
)

SPACE = Space(
    "small",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4)))),
)


def test_names_come_first_and_the_grid_after_them() -> None:
    last = str(list(SPACE)[-1])
    enqueued = parse_enqueued(SPACE, [last])
    assert list(initial_points(SPACE, "grid", enqueued)) == [Architecture.parse(last), *SPACE]
    assert list(initial_points(SPACE, "tpe", enqueued)) == [Architecture.parse(last)]


def test_a_large_space_is_no_grid() -> None:
    large = Space("large", trunk="resnet50", se=per_stage(SE(reduction=choice(*range(2, 40)))))
    with pytest.raises(InputError, match=f"{large.size:,} points, the limit is {GRID_LIMIT:,}"):
        initial_points(large, "grid", ())


@pytest.mark.parametrize(
    ("name", "why", "near"),
    [
        ("resnet50", "its trunk is not among them", "resnet8_small"),
        ("se_resnet8_small-width32_r2", "its trunk is not among them", "resnet8_small-width8"),
        ("se_resnet8_small_r8", "its trunk is, but not with this SE", "se_resnet8_small_r2"),
    ],
)
def test_a_network_that_the_space_has_not_is_refused_with_the_nearest(
    name: str, why: str, near: str
) -> None:
    with pytest.raises(InputError) as caught:
        parse_in_space(SPACE, name)
    assert f"{why} (nearest" in str(caught.value)
    assert str(caught.value).endswith(f": {near})")


def test_an_se_that_the_space_does_not_offer_is_refused_with_the_nearest_that_it_does() -> None:
    offered = Architecture(next(iter(SPACE)).trunk, SE(2))
    with pytest.raises(InputError, match="not with this SE") as caught:
        parse_in_space(SPACE, str(Architecture(offered.trunk, SE(3))))
    near = str(caught.value).split("nearest found: ")[1].rstrip(")")
    assert Architecture.parse(near) in SPACE
    assert parse_in_space(SPACE, near) == Architecture.parse(near)


def test_a_known_network_that_breaks_a_constraint_is_refused() -> None:
    small, large = "resnet8_small-width8", "resnet8_small"
    limit = (cost(small).params + cost(large).params) // 2
    space = Space("tight", trunk=SPACE.trunk, se=SPACE.se, constraints=[params <= limit])
    check_enqueued(space, cost, parse_enqueued(space, [small]))
    with pytest.raises(InputError, match=f"breaks .*, it has {cost(large).params:,}"):
        check_enqueued(space, cost, parse_enqueued(space, [small, large]))
