"""Racing: seeds go to the networks that may still be the best (Maron and Moore 1993).

All networks are trained with the same seeds, round after round. What is worse than the best with
95 % gets no more of them. Differences are paired by seed, and their noise is pooled over all
networks: two seeds each tell little of one network's spread, and something of that of five.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias

LEVEL = 0.95
ByNetwork: TypeAlias = Mapping[int, Sequence[float | None]]  # values by seed; None: it failed


@dataclass(frozen=True)
class Budget:
    """How many trainings the finals may be.

    Attributes:
        seeds: of each network that is not dropped; with ``runs`` those of the first rounds.
        runs: trainings in all, controls included; None for no more than ``seeds`` each.
        at_once: trainings that run at the same time: a round is no smaller.
    """

    seeds: int
    runs: int | None = None
    at_once: int = 1

    def next_round(self, networks: int, done: int, spent: int, controls: int) -> int:
        """Return by how many seeds each remaining network is trained next; 0 for no more.

        Args:
            networks: that remain.
            done: seeds of each of these.
            spent: trainings so far.
            controls: that will be trained with as many seeds.

        >>> Budget(seeds=3).next_round(networks=4, done=0, spent=0, controls=2)
        2
        >>> Budget(seeds=3, at_once=12).next_round(networks=4, done=0, spent=0, controls=2)
        3
        >>> Budget(seeds=3, runs=30).next_round(networks=2, done=4, spent=16, controls=2)
        1
        """
        wanted = max(1 if done else min(2, self.seeds), self.at_once // networks)
        if self.runs is None:
            return max(0, min(wanted, self.seeds - done))
        while wanted and spent + networks * wanted + controls * (done + wanted) > self.runs:
            wanted -= 1
        return max(wanted, 0 if done else 1)

    def last_round(self, done: int, spent: int, controls: int) -> int:
        """Return the seeds that winner and controls have at the end, at least those of the winner.

        >>> Budget(seeds=3, runs=20).last_round(done=3, spent=8, controls=2)
        5
        """
        if self.runs is None:
            return done
        return max(done, (self.runs - spent + done) // (1 + controls))


def worse(values: ByNetwork) -> set[int]:
    """Return the networks that are worse than the best with 95 %; larger is better.

    >>> worse({0: [0.9, 0.91, 0.9], 1: [0.5, 0.52, 0.5], 2: [0.9, 0.9, 0.91]})
    {1}
    """
    whole = {key: [value for value in own if value is not None] for key, own in values.items()}
    seeds = max(map(len, values.values()))
    fine = {key: own for key, own in whole.items() if len(own) == seeds}  # paired by seed
    if len(fine) < 2 or seeds < 2:
        return set()
    deviation = _pooled(list(fine.values()))
    means = {key: fmean(own) for key, own in fine.items()}
    best = max(means, key=means.__getitem__)
    freedom = (len(fine) - 1) * (seeds - 1)
    margin = _quantile(freedom) * deviation * (2 / seeds) ** 0.5
    return {key for key, mean in means.items() if means[best] - mean > margin}


def _pooled(rows: Sequence[Sequence[float]]) -> float:
    """Return the deviation that remains when networks and seeds have their means."""
    networks, seeds = len(rows), len(rows[0])
    own = [fmean(row) for row in rows]
    shared = [fmean(column) for column in zip(*rows, strict=True)]
    middle = fmean(own)
    left = sum(
        (rows[i][j] - own[i] - shared[j] + middle) ** 2
        for i in range(networks)
        for j in range(seeds)
    )
    return float((left / ((networks - 1) * (seeds - 1))) ** 0.5)


def _quantile(freedom: int) -> float:
    from scipy import stats

    return float(stats.t.ppf(LEVEL, freedom))
