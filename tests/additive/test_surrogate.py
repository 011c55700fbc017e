"""Both parts of what is believed as one."""

from __future__ import annotations

import numpy as np

from se_nas.additive.interactions import Interactions, Shape
from se_nas.additive.model import AdditiveModel
from se_nas.additive.surrogate import Surrogate


def test_parts_add_up_and_draws_have_their_mean_and_spread() -> None:
    rng = np.random.default_rng(0)
    given = [
        {("a", str(rng.integers(3))): 1.0, ("b", str(rng.integers(4))): 1.0} for _ in range(50)
    ]
    values = rng.normal(size=50)
    model = AdditiveModel()
    for features, value in zip(given, values, strict=True):
        model.add(features, value)
    posterior = model.fit()
    rows = posterior.rows(given)
    g = Interactions(Shape(0.5, 2.0, 0.5), rows, values - posterior.means(rows))
    alone, both = Surrogate(posterior), Surrogate(posterior, g)
    assert np.allclose(alone.means(rows), posterior.means(rows))
    assert np.allclose(both.means(rows) - alone.means(rows), g.means(rows))
    assert np.allclose(both.deviations(rows) ** 2 - alone.deviations(rows) ** 2, g.variances(rows))
    draws = np.array([both.draw(rng)(rows[:5]) for _ in range(2000)])
    assert np.allclose(draws.mean(0), both.means(rows[:5]), atol=0.06)
    expected = both.deviations(rows[:5]) ** 2 - posterior.offset_variance
    assert np.allclose(draws.var(0), expected, rtol=0.2)
