"""Gaussian process on what an additive model leaves over: choices that matter only together.

    y = additive(x) + g(x) + ε,   g ~ GP(0, a² exp(−‖x − x'‖₁ / ℓ))

The Laplacian kernel of the L1 distance falls by the same factor with each choice that differs. The
amount a² and the length ℓ are those of the largest marginal likelihood (Rasmussen & Williams 2006,
section 5.4); where it is hardly larger than without g, there is no g, and the model stays additive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.spatial.distance import cdist

from se_nas.additive.model import Array

Function: TypeAlias = Callable[[Array], Array]  # of amounts, a row for each network

# The newest trials alone are looked at; fewer than LEAST tell nothing of pairs.
NEWEST, LEAST = 400, 24
# Lengths, in median distances, and amounts, in variances of the noise.
LENGTHS, AMOUNTS = (0.25, 0.5, 1.0, 2.0), (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
GAIN = 1.0  # of the log likelihood, for g to be believed in
WAVES = 256  # cosines of a draw


@dataclass(frozen=True)
class Shape:
    """The variances of g and of the noise, and how far g reaches; an amount of 0 is no g."""

    amount: float = 0.0
    length: float = 1.0
    noise: float = 1.0

    def kernel(self, rows: Array, others: Array) -> Array:
        """Return the covariances of g, [rows, others]."""
        found: Array = self.amount * np.exp(-cdist(rows, others, "cityblock") / self.length)
        return found


def learn_shape(rows: Array, left_over: Array) -> Shape:
    """Return the shape that makes what the additive model leaves over most likely.

    Args:
        rows: amounts of the networks' features, [networks, features]; the newest last.
        left_over: value less the additive model's, [networks].
    """
    rows, left_over = rows[-NEWEST:], left_over[-NEWEST:]
    count, variance = len(left_over), float(np.mean(left_over**2)) if len(left_over) else 0.0
    if count < LEAST or variance <= 0:
        return Shape()
    distances = cdist(rows, rows, "cityblock")
    typical = float(np.median(distances[np.triu_indices(count, 1)]))
    if typical <= 0:
        return Shape()
    best, shape = -0.5 * count * np.log(variance) + GAIN, Shape()
    for length in LENGTHS:
        values, vectors = np.linalg.eigh(np.exp(-distances / (length * typical)))
        squares = (vectors.T @ left_over) ** 2
        for amount in AMOUNTS:
            spread = 1 + amount * np.maximum(values, 0)
            noise = float(np.mean(squares / spread))  # the likeliest, given the rest
            likelihood = -0.5 * (count * np.log(noise) + float(np.log(spread).sum()))
            if likelihood > best:
                best, shape = likelihood, Shape(amount * noise, length * typical, noise)
    return shape


class Interactions:
    """What is believed of g.

    Args:
        shape: with an amount above 0.
        rows, left_over: as of ``learn_shape``.
        pending: amounts of networks that are being trained; each is taken to give what is expected
            of it, so that a draw is surer of what it will tell.

    >>> rows = np.array([[a, b] for a in (0.0, 1.0) for b in (0.0, 1.0)])
    >>> both = np.array([-1.0, 1.0, 1.0, -1.0])  # what the two are worth together
    >>> believed = Interactions(Shape(amount=1.0, length=1.0, noise=0.01), rows, both)
    >>> believed.means(rows).round(1)
    array([-1.,  1.,  1., -1.])
    """

    def __init__(
        self, shape: Shape, rows: Array, left_over: Array, pending: Array | None = None
    ) -> None:
        assert shape.amount > 0
        self.shape = shape
        self.rows, self.left_over = rows[-NEWEST:], left_over[-NEWEST:]
        self._factor = self._factorized()
        self._weights: Array = cho_solve(self._factor, self.left_over)
        if pending is not None and len(pending):
            self.left_over = np.concatenate([self.left_over, self.means(pending)])
            self.rows = np.concatenate([self.rows, pending])
            self._factor = self._factorized()
            self._weights = cho_solve(self._factor, self.left_over)

    def means(self, rows: Array) -> Array:
        """Return the expected values of g."""
        found: Array = self.shape.kernel(rows, self.rows) @ self._weights
        return found

    def variances(self, rows: Array) -> Array:
        """Return the variances of the values of g."""
        cross = self.shape.kernel(self.rows, rows)
        known = solve_triangular(self._factor[0], cross, lower=True)
        found: Array = np.maximum(self.shape.amount - (known**2).sum(0), 0.0)
        return found

    def draw(self, generator: np.random.Generator) -> Function:
        """Draw a function g: one of before there was data, corrected by what is known.

        That is Matheron's rule (Wilson et al. 2020, "Efficiently sampling functions from Gaussian
        process posteriors"); the frequencies of a Laplacian kernel are Cauchy's.
        """
        shape, width = self.shape, self.rows.shape[1]
        waves = generator.standard_cauchy((width, WAVES)) / shape.length
        phases = generator.uniform(0, 2 * np.pi, WAVES)

        def before(rows: Array) -> Array:
            found: Array = np.cos(rows @ waves + phases).sum(1) * (2 * shape.amount / WAVES) ** 0.5
            return found

        noise = shape.noise**0.5 * generator.standard_normal(len(self.rows))
        weights = cho_solve(self._factor, self.left_over - before(self.rows) - noise)
        return lambda rows: before(rows) + shape.kernel(rows, self.rows) @ weights

    def _factorized(self) -> tuple[Array, bool]:
        covariance = self.shape.kernel(self.rows, self.rows)
        covariance[np.diag_indices_from(covariance)] += self.shape.noise
        found: tuple[Array, bool] = cho_factor(covariance, lower=True)
        return found
