"""Means with intervals of 95 %."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

LEVEL = 0.95


@dataclass(frozen=True)
class Summary:
    """What several trainings say of the next.

    Attributes:
        mean, std: over the seeds; the latter None for one.
        low, high: between which the next training's accuracy lies with 95 %, if only the seed
            differs. Of one training it is the interval of a share of so many images (Wilson
            1927), which knows nothing of seeds.
    """

    mean: float
    std: float | None
    low: float
    high: float


def summary(accuracies: Sequence[float], images: int) -> Summary:
    """Return mean, spread and interval of accuracies in [0, 1], each of so many images.

    >>> one = summary([0.9], 100)
    >>> round(one.low, 3), round(one.high, 3), one.std
    (0.826, 0.945, None)
    >>> three = summary([0.90, 0.91, 0.92], 100)
    >>> round(three.mean, 3), round(three.low, 3), round(three.high, 3)
    (0.91, 0.86, 0.96)
    """
    mean, count = fmean(accuracies), len(accuracies)
    if count == 1:
        return Summary(mean, None, *wilson(mean, images))
    from scipy import stats

    spread = stdev(accuracies)
    half = float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * spread * math.sqrt(1 + 1 / count)
    return Summary(mean, spread, max(0.0, mean - half), min(1.0, mean + half))


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's interval of a share that was seen in ``count`` trials.

    >>> tuple(round(end, 3) for end in wilson(1.0, 10))
    (0.722, 1.0)
    """
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count)
    half *= math.sqrt(share * (1 - share) / count + z * z / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)
