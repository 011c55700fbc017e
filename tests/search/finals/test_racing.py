"""Seeds go where they decide, the best is hardly ever dropped, and a budget is kept."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from se_nas.search.finals.racing import Budget, worse


def test_a_clearly_worse_network_is_dropped_though_seeds_spread() -> None:
    """The seeds are paired: what they have in common is no noise."""
    easy, hard = 0.9, 0.5
    values = {0: [easy, hard, 0.7], 1: [easy - 0.05, hard - 0.05, 0.66], 2: [easy, hard, 0.71]}
    assert worse(values) == {1}


def test_the_best_of_equals_is_dropped_in_few_races() -> None:
    rng = random.Random(0)
    dropped = 0
    for _ in range(400):
        values = {i: [rng.gauss(0, 1) for _ in range(4)] for i in range(2)}
        dropped += bool(worse(values))
    assert dropped / 400 <= 0.13  # either of two may be worse with 5 %


@pytest.mark.parametrize("values", [{0: [0.5], 1: [0.9]}, {0: [0.5, 0.5]}, {0: [None], 1: [None]}])
def test_too_little_tells_nothing(values: dict[int, list[float | None]]) -> None:
    assert worse(values) == set()


def test_one_that_failed_with_a_seed_is_not_judged() -> None:
    assert worse({0: [0.9, 0.9, 0.91], 1: [0.1, None, 0.1], 2: [0.2, 0.2, 0.21]}) == {2}


def test_the_best_itself_is_never_dropped() -> None:
    rng = random.Random(1)
    for _ in range(100):
        values = {i: [rng.random() for _ in range(3)] for i in range(4)}
        best = max(values, key=lambda i: sum(values[i]))
        assert best not in worse(values)


@given(
    st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.integers(1, 40), st.integers(1, 9)
)
def test_a_race_keeps_its_budget(
    networks: int, seeds: int, controls: int, runs: int, at_once: int
) -> None:
    budget = Budget(seeds, runs, at_once)
    done = spent = 0
    while more := budget.next_round(networks, done, spent, controls):
        done, spent = done + more, spent + networks * more
    last = budget.last_round(done, spent, controls)
    assert last >= done >= 1
    whole = spent + (last - done) + controls * last
    assert whole <= max(runs, networks + controls), "one seed each is the least"


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 9))
def test_without_a_budget_each_has_its_seeds(networks: int, seeds: int, at_once: int) -> None:
    budget = Budget(seeds, None, at_once)
    done = 0
    while more := budget.next_round(networks, done, networks * done, 2):
        assert more >= min(at_once // networks, seeds - done)
        done += more
    assert done == seeds == budget.last_round(done, networks * done, 2)
