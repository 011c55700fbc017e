"""What an additive model leaves over: learnt where it is, and left alone where it is noise."""

from __future__ import annotations

import numpy as np
import pytest

from se_nas.additive.interactions import LEAST, NEWEST, Interactions, Shape, learn_shape
from se_nas.additive.model import Array


def networks(count: int, seed: int, choices: int = 8) -> Array:
    return np.random.default_rng(seed).integers(0, 2, (count, choices)).astype(float)


def together(rows: Array) -> Array:
    """Pairs that matter only together: each has no effect of its own."""
    signs = 2 * rows - 1
    found: Array = signs[:, 0] * signs[:, 1] + signs[:, 2] * signs[:, 3]
    return found


def noisy(rows: Array, seed: int, deviation: float = 0.3) -> Array:
    return together(rows) + deviation * np.random.default_rng(seed).normal(size=len(rows))


def test_what_matters_together_is_predicted_of_networks_never_seen() -> None:
    rows, others = networks(120, 0), networks(200, 1)
    left_over = noisy(rows, 0)
    shape = learn_shape(rows, left_over)
    believed = Interactions(shape, rows, left_over)
    error = np.mean((believed.means(others) - together(others)) ** 2)
    assert error < 0.35 * np.var(together(others))


@pytest.mark.parametrize("count", [30, 60, 200])
def test_of_noise_nothing_is_believed(count: int) -> None:
    found = [
        learn_shape(networks(count, seed), np.random.default_rng(seed).normal(size=count)).amount
        for seed in range(40)
    ]
    assert sum(amount > 0 for amount in found) <= 4


def test_too_few_trials_and_equal_ones_tell_nothing() -> None:
    rows = networks(LEAST - 1, 0)
    assert learn_shape(rows, together(rows)) == Shape()
    assert learn_shape(np.zeros((0, 3)), np.zeros(0)) == Shape()
    assert learn_shape(np.ones((50, 3)), np.random.default_rng(0).normal(size=50)) == Shape()
    assert learn_shape(networks(50, 0), np.zeros(50)) == Shape()


def test_means_and_variances_are_those_of_a_gaussian_process() -> None:
    shape = Shape(amount=0.7, length=3.0, noise=0.2)
    rows, others = networks(40, 0), networks(5, 1)
    left_over = noisy(rows, 0)

    def kernel(a: Array, b: Array) -> Array:
        found: Array = 0.7 * np.exp(-np.abs(a[:, None] - b[None]).sum(2) / 3.0)
        return found

    covariance = kernel(rows, rows) + 0.2 * np.eye(40)
    cross = kernel(others, rows)
    believed = Interactions(shape, rows, left_over)
    assert np.allclose(believed.means(others), cross @ np.linalg.solve(covariance, left_over))
    expected = 0.7 - np.diag(cross @ np.linalg.solve(covariance, cross.T))
    assert np.allclose(believed.variances(others), expected)


def test_draws_have_the_mean_and_the_variance_of_what_is_believed() -> None:
    rows, others = networks(40, 0), networks(4, 1)
    believed = Interactions(Shape(0.7, 3.0, 0.2), rows, noisy(rows, 0))
    generator = np.random.default_rng(0)
    draws = np.array([believed.draw(generator)(others) for _ in range(1500)])
    assert np.allclose(draws.mean(0), believed.means(others), atol=0.08)
    assert np.allclose(draws.var(0), believed.variances(others), rtol=0.2, atol=0.02)


def test_a_network_that_is_being_trained_leaves_the_means_and_lessens_the_doubt() -> None:
    rows, running = networks(40, 0, choices=20), networks(3, 1, choices=20)
    left_over = noisy(rows, 0)
    alone = Interactions(Shape(0.7, 3.0, 0.2), rows, left_over)
    beside = Interactions(Shape(0.7, 3.0, 0.2), rows, left_over, running)
    assert np.allclose(beside.means(running), alone.means(running))
    assert (beside.variances(running) < 0.7 * alone.variances(running)).all()


def test_only_the_newest_trials_are_looked_at() -> None:
    rows = networks(NEWEST + 50, 0)
    left_over = noisy(rows, 0)
    believed = Interactions(Shape(0.7, 3.0, 0.2), rows, left_over)
    assert believed.rows.shape == (NEWEST, 8)
    spoilt = np.concatenate([np.full(50, 1e6), left_over[50:]])
    assert learn_shape(rows, spoilt) == learn_shape(rows, left_over)
