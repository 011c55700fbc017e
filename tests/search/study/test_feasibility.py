"""The share of a space that its constraints let through, and what is said when it is little."""

from __future__ import annotations

import pytest

from se_nas import SE, Space, choice, macs, optional, params, per_stage, trunk
from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Cost, cost
from se_nas.search.study.feasibility import explain_infeasible, feasibility, feasible_share

SPACE = Space(
    "small",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4)))),
)


def price(architecture: Architecture) -> Cost:
    return cost(architecture, input_size=8, in_channels=1, num_classes=10)


def test_what_is_not_feasible_is_explained() -> None:
    space = Space("none", trunk=SPACE.trunk, se=SPACE.se, constraints=[params <= 100])
    least = min(price(a).params for a in SPACE)
    assert feasible_share(space, price) == 0
    assert f"params <= 100 (nearest of 2000 draws: {least:,})" in explain_infeasible(space, price)


def test_the_share_that_the_constraints_let_through_is_a_frequency() -> None:
    space = Space("half", trunk=SPACE.trunk, se=SPACE.se, constraints=[params <= 21_000])
    exact = sum(space.admits(price(a)) for a in [space.sample(i) for i in range(3000)]) / 3000
    assert feasible_share(space, price, draws=2000, seed=5) == pytest.approx(exact, abs=0.05)


def test_a_space_that_lets_nearly_nothing_through_says_which_constraint_it_is() -> None:
    least = min(price(a).params for a in SPACE)
    limits = [params <= least - 1, macs <= 1e12]
    space = Space("few", trunk=SPACE.trunk, se=SPACE.se, constraints=limits)
    share, note = feasibility(space, price, 0.0001)
    assert "under 0.1 %" in share
    assert f"params <= {least - 1:,} alone 0.0 %" in note
    assert "alone 100.0 %" in note


def test_a_space_that_lets_much_through_is_one_line_and_one_without_constraints_none() -> None:
    space = Space("half", trunk=SPACE.trunk, se=SPACE.se, constraints=[params <= 21_000])
    assert feasibility(space, price, 0.5) == [
        "feasible   50.0 % of random draws keep the constraints"
    ]
    assert feasibility(SPACE, price, 1.0) == []
