"""Intervals cover what they say, counted on draws."""

from __future__ import annotations

import random

import pytest

from se_nas.tasks.statistics import summary, wilson


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_next_training_lies_in_the_interval_in_95_of_100_cases(seeds: int) -> None:
    rng, inside = random.Random(0), 0
    for _ in range(2000):
        found = summary([rng.gauss(0.5, 0.01) for _ in range(seeds)], 1000)
        inside += found.low <= rng.gauss(0.5, 0.01) <= found.high
    assert 0.935 < inside / 2000 < 0.965


def test_a_share_lies_in_the_interval_of_its_count() -> None:
    rng, inside = random.Random(0), 0
    for _ in range(1000):
        seen = sum(rng.random() < 0.9 for _ in range(200))
        low, high = wilson(seen / 200, 200)
        inside += low <= 0.9 <= high
    assert 0.93 < inside / 1000 < 0.97


def test_an_interval_never_leaves_0_to_1() -> None:
    found = summary([0.99, 0.9], 100)
    assert (found.high, found.low >= 0) == (1.0, True)
