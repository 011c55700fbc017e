"""Constraints and objectives."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from se_nas import InputError, latency_ms, macs, maximize, minimize, params
from se_nas.space.objectives import (
    COSTS,
    MEASURED,
    METRICS,
    Constraint,
    Objective,
    peak_activations,
)


def test_comparisons_make_constraints() -> None:
    assert (params <= 5e6) == Constraint("params", "<=", 5e6)
    assert (macs >= 1) == Constraint("macs", ">=", 1)
    assert (latency_ms <= 2.5) == Constraint("latency_ms", "<=", 2.5)
    assert (peak_activations <= 100) == Constraint("peak_activations", "<=", 100)
    assert str(params <= 5.5e6) == "params <= 5,500,000"


@given(st.floats(1e-3, 1e12), st.floats(0, 1e15), st.sampled_from(["<=", ">="]))
def test_violation_is_positive_exactly_when_it_is_broken(
    limit: float, value: float, operator: Any
) -> None:
    constraint = Constraint("macs", operator, limit)
    violation = constraint.violation({"macs": value, "params": 1})
    satisfied = value <= limit if operator == "<=" else value >= limit
    # A value within rounding of the limit may count as equal to it.
    assert (violation <= 0) == satisfied or math.isclose(value, limit, rel_tol=1e-15)


def test_violation_is_a_share_of_the_limit() -> None:
    assert (params <= 200).violation({"params": 300}) == 0.5
    assert (params >= 200).violation({"params": 50}) == 0.75
    assert (params <= 200).violation({"params": 200}) == 0


@pytest.mark.parametrize("limit", [0, -1, math.nan, math.inf, True, "5e6", None])
def test_wrong_limit(limit: Any) -> None:
    with pytest.raises(InputError, match="limit") as error:
        _ = params <= limit
    assert repr(limit) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_limit_that_is_too_long_is_cut() -> None:
    with pytest.raises(InputError, match=r"^constraint params: the limit is 10+…0+; give > 0$"):
        _ = params <= 10**309


def test_wrong_names_offer_the_nearest() -> None:
    for make, near in (
        (lambda: Constraint("parms", "<=", 1), "params"),
        (lambda: maximize("val_ac"), "val_acc"),
        (lambda: minimize("latency"), "latency_ms"),
        (lambda: Objective("val_acc", "maximise"), "maximize"),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputError, match=f"did you mean '{near}'") as error:
            make()
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="operator"):
        Constraint("params", "<", 1)  # type: ignore[arg-type]


def test_accuracy_is_no_constraint() -> None:
    with pytest.raises(InputError, match="quantity"):
        Constraint("val_acc", ">=", 0.9)


def test_objectives() -> None:
    assert maximize("val_acc") == Objective("val_acc", "maximize")
    assert minimize("macs") == Objective("macs", "minimize")
    assert str(minimize("macs")) == "minimize macs"
    for metric in (*COSTS, *MEASURED, *METRICS):
        assert maximize(metric).metric == metric


def test_a_chain_of_comparisons_does_not_lose_its_first_half() -> None:
    with pytest.raises(InputError, match="write two constraints"):
        _ = 1e5 <= params <= 5e6
    with pytest.raises(InputError, match="write <="):
        _ = params < 5e6
