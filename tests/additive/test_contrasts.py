"""Intervals of differences cover the truth as often as they say, and are as wide as is due."""

from __future__ import annotations

import random

import numpy as np
import pytest

from se_nas.additive.contrasts import MOST, Contrasts, Estimate
from se_nas.additive.model import Features

CHOICES = 6


def drawn(count: int, seed: int) -> list[Features]:
    bits = np.random.default_rng(seed).integers(0, 2, (count, CHOICES))
    return [{(str(i), "on"): float(bit) for i, bit in enumerate(row)} for row in bits]


def turned_on(choice: int) -> tuple[list[Features], list[float]]:
    """Return one choice turned on in the networks of a fixed sample, and the weights of that."""
    key, sample = (str(choice), "on"), drawn(40, 99)
    networks = [{**network, key: bit} for network in sample for bit in (0.0, 1.0)]
    return networks, [-1 / 40, 1 / 40] * 40


def value(network: Features, worths: list[float], together: float) -> float:
    bits = [network[str(i), "on"] for i in range(CHOICES)]
    return sum(w * b for w, b in zip(worths, bits, strict=True)) + together * (bits[0] != bits[1])


@pytest.mark.parametrize(("count", "together"), [(16, 0.0), (60, 0.0), (60, 1.0)])
def test_19_of_20_intervals_have_the_truth_in_them(count: int, together: float) -> None:
    covered: list[bool] = []
    for seed in range(30):
        generator = np.random.default_rng(seed)
        worths = generator.normal(size=CHOICES).tolist()
        networks = drawn(count, seed)
        values = [value(n, worths, together) + 0.5 * generator.normal() for n in networks]
        contrasts = Contrasts(networks, values)
        for choice in range(CHOICES):
            pairs, weights = turned_on(choice)
            true = sum(w * value(n, worths, together) for n, w in zip(pairs, weights, strict=True))
            found = contrasts.of(pairs, weights)
            covered.append(found.low <= true <= found.high)
    assert 0.90 <= np.mean(covered) <= 0.99


def test_of_noise_hardly_an_interval_leaves_0_out() -> None:
    told = []
    for seed in range(30):
        values = np.random.default_rng(seed).normal(size=40).tolist()
        contrasts = Contrasts(drawn(40, seed), values)
        told += [contrasts.of(*turned_on(choice)).sign != 0 for choice in range(CHOICES)]
    assert np.mean(told) <= 0.06


def test_four_times_as_many_trials_halve_an_interval() -> None:
    halves = []
    for count in (50, 200):
        networks = drawn(count, 0)
        noise = np.random.default_rng(1).normal(size=count)
        values = [value(n, [1.0] * CHOICES, 0.0) + e for n, e in zip(networks, noise, strict=True)]
        halves.append(Contrasts(networks, values).of(*turned_on(2)).half)
    assert halves[0] / halves[1] == pytest.approx(2, rel=0.25)


def test_what_no_trial_had_is_not_told() -> None:
    networks = drawn(30, 0)
    values = [value(n, [1.0] * CHOICES, 0.0) for n in networks]
    found = Contrasts(networks, values).of([{("new", "on"): 1.0}, {}], [1.0, -1.0])
    assert found.value == pytest.approx(0, abs=0.3)
    assert found.half > 0.5
    assert found.sign == 0


def test_shifted_values_and_scaled_ones_give_the_same_effects() -> None:
    networks = drawn(40, 0)
    noise = np.random.default_rng(1).normal(size=40)
    values = [value(n, [1.0] * CHOICES, 1.0) + e for n, e in zip(networks, noise, strict=True)]
    plain = Contrasts(networks, values).of(*turned_on(0))
    other = Contrasts(networks, [1000 - 0.01 * v for v in values]).of(*turned_on(0))
    assert other.value == pytest.approx(-0.01 * plain.value, abs=1e-4)
    assert other.half == pytest.approx(0.01 * plain.half, rel=1e-2)


def test_equal_values_tell_of_no_effect_at_all() -> None:
    assert Contrasts(drawn(20, 0), [0.9] * 20).of(*turned_on(0)) == Estimate(0, 0, 0)


def test_of_very_many_trials_a_part_over_the_whole_search_counts() -> None:
    networks = drawn(MOST + 200, 0)
    values = [value(n, [1.0] * CHOICES, 0.0) + (i % 2) for i, n in enumerate(networks)]
    found = Contrasts(networks, values)
    assert found.trials == MOST + 200
    estimate = found.of(*turned_on(1))
    assert estimate.low < 1 < estimate.high


def test_a_large_worth_of_a_trunk_is_not_shrunk_by_se_that_is_worth_nothing() -> None:
    wide, narrow = {("resnet width", "16"): 1.0}, {("resnet width", "8"): 1.0}
    covered = 0
    for seed in range(20):
        rng = random.Random(seed)
        networks, values = [], []
        for number in range(100):  # few narrow ones, as a search trains them
            of_se = {("gate by stage", f"{i} {rng.choice('abc')}"): 1.0 for i in range(12)}
            is_narrow = number % 20 == 0
            networks.append({**(narrow if is_narrow else wide), **of_se})
            values.append(-2.5 * is_narrow + rng.gauss(0, 0.7))
        found = Contrasts(networks, values).of([narrow, wide], [1.0, -1.0])
        covered += found.low <= -2.5 <= found.high
    assert covered >= 17
