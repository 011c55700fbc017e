"""Contrasts between networks, with intervals that cover the truth.

    y = μ + Σ worth(feature) · amount + g(x) + ε

The model that proposes shrinks what it is not sure of to nothing: good for finding networks, and
effects come out too small. Here all worths of SE have one variance, those of trunks (and of the
epoch at which a trial stopped) the same or a larger one, and g is the process that ``interactions``
has. Neither the variances nor the noise are set to what is likeliest: the answer
is an average over a grid of them by their likelihood, with the noise integrated out (Gelman et al.
2013, "Bayesian data analysis", section 14.2). That makes it Student's t: few trials tell little.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from se_nas.additive.features import is_of_se
from se_nas.additive.model import Array, Feature, Features

LEVEL = 0.95
MOST = 800  # trials; of more, so many evenly over the search
# Variances of a worth and of g in variances of the noise; lengths of g in median distances.
WORTHS, AMOUNTS, LENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0), (0.0, 0.3, 1.0, 3.0, 10.0), (0.5, 1.0, 2.0)
TRUNKS = (1.0, 30.0)  # variances of a worth of the trunk, in those of SE
LIKELY = 1e-3  # share of the likeliest below which a point of the grid is left out
OFFSET = 1e4  # variance of μ, in variances of the noise: nothing is known of it


@dataclass(frozen=True)
class Estimate:
    """A value with its interval of 95 %."""

    value: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half of the interval's width: the number after ±."""
        return (self.high - self.low) / 2

    @property
    def sign(self) -> int:
        """1 or -1 where the interval has no 0 in it, else 0."""
        return (self.low > 0) - (self.high < 0)


@dataclass(frozen=True)
class _Fit:
    """One point of the grid: its weight, variances, and what solves for its covariances."""

    weight: float
    worth: float
    trunk: float
    amount: float
    length: float
    factor: tuple[Array, bool]
    solved: Array
    noise: float


class Contrasts:
    """What differences between networks are worth, by the trials of a search.

    Args:
        networks: the features of the trials' networks, two or more.
        values: of the trials.

    Attributes:
        trials: how many there are.

    >>> [plain, se] = {("family", "a"): 1.0}, {("family", "a"): 1.0, ("se", ""): 1.0}
    >>> values = [0.90, 0.92, 0.901, 0.921, 0.899, 0.92, 0.9, 0.919]
    >>> found = Contrasts([plain, se] * 4, values).of([se, plain], [1.0, -1.0])
    >>> found.low < 0.02 < found.high, found.sign
    (True, 1)
    """

    def __init__(self, networks: Sequence[Features], values: Sequence[float]) -> None:
        assert len(networks) == len(values) > 1
        self.trials = len(values)
        kept = np.unique(np.linspace(0, self.trials - 1, MOST).astype(int))
        networks = [networks[i] for i in kept]
        self._values = np.asarray(values, np.float64)[kept]
        self._columns: dict[Feature, int] = {}
        for features in networks:
            for feature in features:
                self._columns.setdefault(feature, len(self._columns))
        rows = self._rows(networks)
        self._center: Array = rows.mean(0)
        self._trained = rows
        self._typical = 1.0
        self._fits = self._fit_all()

    def of(self, networks: Sequence[Features], weights: Sequence[float]) -> Estimate:
        """Return the sum of networks' true values, weighed with weights that sum to 0."""
        for features in networks:
            for feature in features:
                self._columns.setdefault(feature, len(self._columns))
        more = len(self._columns) - self._trained.shape[1]
        if more:  # nothing is known of them but their variance
            self._trained = np.pad(self._trained, ((0, 0), (0, more)))
        rows, share = self._rows(networks), np.asarray(weights, np.float64)
        change: Array = share @ rows
        cross, own = cdist(rows, self._trained, "cityblock"), cdist(rows, rows, "cityblock")
        centered = self._trained - np.pad(self._center, (0, len(change) - len(self._center)))
        se = self._of_se()
        along = [centered[:, part] @ change[part] for part in (se, ~se)]
        own_worths = [float(change[part] @ change[part]) for part in (se, ~se)]
        mean = second = 0.0
        for fit in self._fits:
            known = fit.worth * (along[0] + fit.trunk * along[1])
            prior = fit.worth * (own_worths[0] + fit.trunk * own_worths[1])
            if fit.amount:
                known = known + fit.amount * (share @ np.exp(-cross / fit.length))
                prior += fit.amount * float(share @ np.exp(-own / fit.length) @ share)
            value = float(known @ fit.solved)
            spread = max(prior - float(known @ cho_solve(fit.factor, known)), 0.0) * fit.noise
            mean += fit.weight * value
            second += fit.weight * (spread + value**2)
        deviation = max(second - mean**2, 0.0) ** 0.5
        half = float(stats.t.ppf((1 + LEVEL) / 2, len(self._values) - 1)) * deviation
        return Estimate(mean, mean - half, mean + half)

    @property
    def noise(self) -> float:
        """The standard deviation of one trial around its network's true value."""
        return math.sqrt(sum(fit.weight * fit.noise for fit in self._fits))

    def _rows(self, networks: Sequence[Features]) -> Array:
        found = np.zeros((len(networks), len(self._columns)))
        for row, features in zip(found, networks, strict=True):
            for feature, amount in features.items():
                row[self._columns[feature]] = amount
        return found

    def _of_se(self) -> NDArray[np.bool_]:
        """Return which columns are of SE."""
        return np.array([is_of_se(feature) for feature in self._columns], bool)

    def _fit_all(self) -> list[_Fit]:
        """Return the likely points of the grid, with weights that sum to 1."""
        count = len(self._values)
        centered = self._trained - self._center
        left, se = self._values - self._values.mean(), self._of_se()
        products = [centered[:, part] @ centered[:, part].T for part in (se, ~se)]
        distances = cdist(self._trained, self._trained, "cityblock")
        typical = float(np.median(distances[np.triu_indices(count, 1)])) or 1.0
        if np.abs(left).max() <= 1e-12 * np.abs(self._values).max():  # all are equal
            return []
        found: list[tuple[float, _Fit]] = []
        for length in LENGTHS:
            together = np.exp(-distances / (length * typical))
            for worth, trunk, amount in itertools.product(WORTHS, TRUNKS, AMOUNTS):
                if not amount and length != LENGTHS[0]:
                    continue
                covariance = worth * (products[0] + trunk * products[1]) + amount * together
                covariance[np.diag_indices(count)] += 1.0
                covariance += OFFSET
                factor = cho_factor(covariance, lower=True)
                solved: Array = cho_solve(factor, left)
                noise = float(left @ solved) / (count - 1)
                likelihood = -0.5 * (count - 1) * np.log(noise)
                likelihood -= float(np.log(np.diag(factor[0])).sum())
                # Without g one length stands for all.
                likelihood += np.log(len(LENGTHS)) * (not amount)
                fit = _Fit(0.0, worth, trunk, amount, length * typical, factor, solved, noise)
                found.append((likelihood, fit))
        most = max(likelihood for likelihood, _ in found)
        shares = [float(np.exp(likelihood - most)) for likelihood, _ in found]
        total = sum(share for share in shares if share > LIKELY)
        return [
            replace(f, weight=share / total)
            for share, (_, f) in zip(shares, found, strict=True)
            if share > LIKELY
        ]
