"""The posterior against its closed form, honest intervals, and no memory of who asked when."""

from __future__ import annotations

import numpy as np
import pytest

from se_nas.additive.model import AdditiveModel, Features, Posterior

GROUPS = {"stage": 6, "gate": 3, "idle": 8}


def networks(count: int, seed: int) -> list[dict[tuple[str, str], float]]:
    """Random networks: one of each group's features, and an amount."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        features = {(g, str(rng.integers(n))): 1.0 for g, n in GROUPS.items()}
        found.append(features | {("size", ""): float(rng.normal())})
    return found


def truth(seed: int) -> dict[tuple[str, str], float]:
    """Worths drawn as the model believes, of groups that differ; one does nothing."""
    rng = np.random.default_rng(seed)
    worths = {("stage", str(i)): 0.5 * rng.normal() for i in range(6)}
    worths |= {("gate", str(i)): 0.2 * rng.normal() for i in range(3)}
    return worths | {("size", ""): 0.3 * float(rng.normal())}


def value(features: Features, worths: Features) -> float:
    return 70 + sum(worths.get(feature, 0.0) * amount for feature, amount in features.items())


def fitted(count: int, seed: int, noise: float = 0.3) -> tuple[AdditiveModel, Posterior]:
    worths, rng = truth(seed), np.random.default_rng(seed)
    model = AdditiveModel()
    for features in networks(count, seed):
        model.add(features, value(features, worths) + noise * float(rng.normal()))
    return model, model.fit()


def test_the_posterior_is_that_of_a_regression_with_these_variances() -> None:
    model, posterior = fitted(80, 0)
    given = networks(80, 0)
    worths, rng = truth(0), np.random.default_rng(0)
    y = np.array([value(f, worths) + 0.3 * rng.normal() for f in given])
    x = posterior.rows(given)
    scale = y.var()
    groups = [feature[0] for feature in model.columns]
    names = list(dict.fromkeys(groups))
    tau = np.array([model._variances[names.index(group)] for group in groups]) * scale
    # With an offset that may be anything, the values' covariance is this; take it out by means.
    center = np.eye(80) - 1 / 80
    covariance = center @ (x * tau) @ x.T @ center + posterior.noise**2 * np.eye(80)
    expected = (tau[:, None] * (center @ x).T) @ np.linalg.solve(covariance, y - y.mean())
    assert np.allclose(posterior.mean, expected, atol=1e-8)
    assert posterior.offset == pytest.approx(y.mean())


def test_noise_and_the_groups_that_do_something_are_found() -> None:
    model, posterior = fitted(400, 1)
    assert posterior.noise == pytest.approx(0.3, rel=0.15)
    by_group = dict(zip(dict.fromkeys(g for g, _ in model.columns), model._variances, strict=True))
    assert by_group["idle"] < 0.1 * by_group["stage"]


def test_intervals_hold_the_truth_in_95_of_100_cases() -> None:
    held, count = 0, 0
    for seed in range(60):
        _, posterior = fitted(60, seed)
        worths = truth(seed)
        for i in range(6):
            for j in range(i):
                change = {("stage", str(i)): 1.0, ("stage", str(j)): -1.0}
                mean, deviation = posterior.difference(posterior.rows([change])[0])
                away = mean - value(change, worths) + 70
                held, count = held + (abs(away) < 1.96 * deviation), count + 1
    assert 0.92 < held / count < 0.98


def test_deviations_of_networks_are_those_of_draws() -> None:
    _, posterior = fitted(40, 2)
    rows = posterior.rows(networks(5, 9))
    generator = np.random.default_rng(0)
    drawn = np.stack(
        [(rows - posterior.center) @ posterior.draw(generator) for _ in range(4000)]
    ).std(0)
    expected = np.sqrt(posterior.deviations(rows) ** 2 - posterior.offset_variance)
    assert np.allclose(drawn, expected, rtol=0.06)


def test_how_often_it_was_asked_changes_nothing() -> None:
    asked, silent = AdditiveModel(), AdditiveModel()
    for i, features in enumerate(networks(50, 3)):
        for model in (asked, silent):
            model.add(features, float(i % 7))
        asked.fit()
    assert np.array_equal(asked.fit().mean, silent.fit().mean)


def test_pending_networks_lessen_what_is_not_known_and_move_nothing() -> None:
    model, before = fitted(30, 4)
    waiting = networks(1, 77)
    after = model.fit(waiting)
    assert np.allclose(after.mean, before.mean)
    row = after.rows(waiting)
    assert after.deviations(row)[0] < before.deviations(row)[0]


def test_few_and_equal_values() -> None:
    model = AdditiveModel()
    with pytest.raises(ValueError, match="no posterior"):
        model.fit()
    for _ in range(3):
        model.add({("a", "b"): 1.0}, 0.5)
        posterior = model.fit()
        assert posterior.offset == 0.5
        assert np.isfinite(posterior.root).all()
