"""Bayesian additive regression: a value is an offset, the sum of its features' worths, and noise.

    y = μ + Σ worth(feature) · amount + ε,   worth ~ N(0, τ²(group)),   ε ~ N(0, σ²)

A group is a kind of feature. Its τ² and the noise σ² are learnt by maximum marginal likelihood
(EM; MacKay 1992, "Bayesian interpolation"), so a kind that changes nothing is shrunk to nothing.
The sums that the posterior needs grow by one row with each trial; nothing is kept of the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Feature: TypeAlias = tuple[str, str]  # its group, and its name in it
Features: TypeAlias = Mapping[Feature, float]  # amounts; a feature that is not there has 0
Array: TypeAlias = NDArray[np.float64]

# EM steps, and by how much the trials grow until the variances are learnt again.
STEPS, GROWTH = 30, 1.1
# What is believed before there is data, as shares of the variance of the values: noise, and the
# worths of one network's features together; and as how many trials and features they count.
NOISE, WORTHS = 0.1, 1.0
NOISE_WEIGHT, WEIGHT = 1.0, 1.0
LEAST = 1e-6


@dataclass(frozen=True)
class Posterior:
    """What is believed of the worths.

    Attributes:
        columns: the features' positions in ``mean`` and in the rows of ``root``.
        offset, offset_variance: of the value of a network with the amounts ``center``.
        center: the average amounts.
        mean: of the worths.
        root: a matrix R with R Rᵀ their covariance.
        noise: standard deviation of one observation.
    """

    columns: Mapping[Feature, int]
    offset: float
    offset_variance: float
    center: Array
    mean: Array
    root: Array
    noise: float

    def rows(self, networks: Sequence[Features]) -> Array:
        """Return the amounts of known features as a matrix, a row for each network."""
        found = np.zeros((len(networks), len(self.mean)))
        for row, features in zip(found, networks, strict=True):
            _fill(row, features, self.columns)
        return found

    def means(self, rows: Array) -> Array:
        """Return the expected values of networks."""
        found: Array = self.offset + (rows - self.center) @ self.mean
        return found

    def deviations(self, rows: Array) -> Array:
        """Return the standard deviations of the networks' true values."""
        spread = (rows - self.center) @ self.root
        found: Array = np.sqrt((spread**2).sum(1) + self.offset_variance)
        return found

    def difference(self, change: Array) -> tuple[float, float]:
        """Return mean and standard deviation of what a change of amounts is worth."""
        return float(change @ self.mean), float(np.linalg.norm(change @ self.root))

    def draw(self, generator: np.random.Generator) -> Array:
        """Draw worths from the posterior."""
        found: Array = self.mean + self.root @ generator.standard_normal(len(self.mean))
        return found


@dataclass
class Sums:
    """Sums over trials: of amounts x and values y, with their products."""

    trials: int
    x: Array
    xx: Array
    xy: Array
    y: float
    yy: float

    def grow(self, more: int) -> None:
        """Make room for features that no trial had."""
        self.x, self.xy = np.pad(self.x, (0, more)), np.pad(self.xy, (0, more))
        self.xx = np.pad(self.xx, (0, more))

    def add(self, row: Array, value: float) -> None:
        """Add a trial."""
        self.trials += 1
        self.x = self.x + row
        self.xx = self.xx + np.outer(row, row)
        self.xy = self.xy + row * value
        self.y += value
        self.yy += value * value

    def centered(self) -> tuple[Array, Array, float]:
        """Return Σ x xᵀ, Σ x y and Σ y² of deviations from the means."""
        mean = self.x / self.trials
        xx = self.xx - self.trials * np.outer(mean, mean)
        return xx, self.xy - mean * self.y, max(self.yy - self.y**2 / self.trials, 0.0)


class AdditiveModel:
    """Sums over trials, from which a ``Posterior`` is made at any time.

    It is a function of the trials and their order, however often it was asked in between.

    >>> model = AdditiveModel()
    >>> for se in (0, 1, 0, 1, 0, 1):
    ...     model.add({("se", "stage2"): se}, 0.90 + 0.02 * se)
    >>> posterior = model.fit()
    >>> worth, deviation = posterior.difference(posterior.rows([{("se", "stage2"): 1}])[0])
    >>> 0.015 < worth < 0.021, deviation < 0.005
    (True, True)
    """

    def __init__(self) -> None:
        self.columns: dict[Feature, int] = {}
        self.sums = Sums(0, np.zeros(0), np.zeros((0, 0)), np.zeros(0), 0.0, 0.0)
        self._first = 0.0
        self._groups: dict[str, int] = {}
        self._group_of: list[int] = []
        self._to_learn_from: Sums | None = None
        self._next = 2  # trials at which the variances are learnt again
        # In variances of the values; of the groups that there were.
        self._variances, self._noise = np.zeros(0), NOISE

    def add(self, features: Features, value: float) -> None:
        """Add a trial's value; what is not finite is the caller's to leave out."""
        for feature in features:
            if feature not in self.columns:
                self.columns[feature] = len(self.columns)
                self._group_of.append(self._groups.setdefault(feature[0], len(self._groups)))
        more = len(self.columns) - len(self.sums.x)
        if more:
            self.sums.grow(more)
        if not self.sums.trials:
            self._first = value  # of accuracies near one another the squares differ by little
        self.sums.add(self._row(features), value - self._first)
        if self.sums.trials >= self._next:
            self._to_learn_from = replace(self.sums)
            self._next = max(self._next + 1, int(self._next * GROWTH))

    def fit(self, pending: Iterable[Features] = ()) -> Posterior:
        """Return the posterior.

        Args:
            pending: networks that are being trained; each is taken to give its expected value, so
                that a draw is surer of what it will tell.

        Raises:
            ValueError: there is no trial.
        """
        sums = self.sums
        if not sums.trials:
            raise ValueError("a model without trials has no posterior")
        if self._to_learn_from is not None:
            self._learn(self._to_learn_from)
            self._to_learn_from = None
        xx, xy, yy = sums.centered()
        scale = yy / sums.trials or 1.0  # the variance of the values
        group_of = np.array(self._group_of, int)
        new = len(self._groups) - len(self._variances)
        variances = np.concatenate([self._variances, np.full(new, _guess(xx, sums.trials))])
        noise, center = self._noise * scale, sums.x / sums.trials
        inner = np.diag(1 / (variances[group_of] * scale)) + xx / noise
        mean: Array = np.asarray(np.linalg.solve(inner, xy / noise), np.float64)
        for features in pending:
            away = self._row(features) - center
            inner += np.outer(away, away) / noise
        root: Array = np.asarray(np.linalg.inv(np.linalg.cholesky(inner)).T)
        return Posterior(
            dict(self.columns),
            self._first + sums.y / sums.trials,
            noise / sums.trials,
            center,
            mean,
            root,
            noise**0.5,
        )

    def _row(self, features: Features) -> Array:
        row = np.zeros(len(self.columns))
        _fill(row, features, self.columns)
        return row

    def _learn(self, sums: Sums) -> None:
        """Find the variances that make the values most likely; all in variances of the values."""
        xx, xy, yy = sums.centered()
        scale = yy / sums.trials or 1.0
        xy, yy = xy / scale**0.5, yy / scale
        group_of = np.array(self._group_of[: len(sums.x)], int)
        count = np.bincount(group_of)
        variances, noise = np.full(len(count), _guess(xx, sums.trials)), NOISE
        for _ in range(STEPS):
            covariance = np.linalg.inv(np.diag(1 / variances[group_of]) + xx / noise)
            mean = covariance @ xy / noise
            second = mean**2 + np.diag(covariance)
            typical = WEIGHT * float(second.mean())
            variances = np.maximum(
                (np.bincount(group_of, second) + typical) / (count + WEIGHT), LEAST
            )
            residual = float(yy - 2 * mean @ xy + mean @ xx @ mean)
            unsure = float((covariance * xx).sum())
            noise = (residual + unsure + NOISE_WEIGHT * NOISE) / (sums.trials + NOISE_WEIGHT)
            noise = max(noise, LEAST)
        self._variances, self._noise = variances, noise


def _fill(row: Array, features: Features, columns: Mapping[Feature, int]) -> None:
    for feature, amount in features.items():
        column = columns.get(feature)
        if column is not None:
            row[column] = amount


def _guess(xx: Array, trials: int) -> float:
    """Return τ² for all groups: worths of τ² vary a network's value by τ² Σ x²."""
    return WORTHS / max(float(np.trace(xx)) / trials, LEAST)
