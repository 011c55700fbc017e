"""Successive halving for several objectives: a trial goes on if it is in the better half by rank.

Accuracy is what training decides; cost is arithmetic and known. At a rung a trial's objectives are
compared with those of the trials that came there before, by their non-dominated fronts (Deb et al.
2002, NSGA-II): it is stopped if at least half of all there are in fronts before its own. What no
other dominates is never stopped. With one objective these are the decisions of ASHA that halves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController
    from ray.tune.experiment import Trial

Values: TypeAlias = tuple[float, ...]  # of a trial's objectives
ValuesOf: TypeAlias = Callable[[int, Mapping[str, object]], Sequence[float]]


class MultiObjectiveHalving(FIFOScheduler):
    """A scheduler whose rungs count the trials that a study already has.

    Args:
        known: the trials of the study with their objectives by epoch, as ``curves_of_objectives``
            has them.
        signs: 1 for each objective to be maximized, -1 for each to be minimized.
        values: gives the objectives of a trial, by its number and the metrics of an epoch.
        first, epochs: the first rung, and the whole budget; rungs double.
    """

    def __init__(
        self,
        known: Iterable[tuple[int, Mapping[int, Sequence[float]]]],
        *,
        signs: Sequence[int],
        values: ValuesOf,
        first: int,
        epochs: int,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._signs, self._values = signs, values
        self.rungs: dict[int, dict[int, Values]] = {}
        rung = first
        while rung < epochs:
            self.rungs[rung] = {}
            rung *= 2
        for number, curve in known:
            for epoch, found in sorted(curve.items()):
                self._goes_on(number, epoch, found)

    def on_trial_result(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, object]
    ) -> str:
        if "epoch" not in result:
            return str(TrialScheduler.CONTINUE)
        number, epoch = int(trial.config["number"]), int(str(result["epoch"]))
        goes_on = self._goes_on(number, epoch, self._values(number, result))
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def _goes_on(self, number: int, epoch: int, values: Sequence[float]) -> bool:
        """Count a trial in the last rung that it reached, once, and return whether it goes on."""
        reached = [rung for rung in self.rungs if rung <= epoch]
        if not reached or number in self.rungs[reached[-1]]:
            return True
        others = self.rungs[reached[-1]]
        wanted = tuple(sign * value for sign, value in zip(self._signs, values, strict=True))
        others[number] = wanted
        return better_share([*others.values()][:-1], wanted) < 0.5


def better_share(others: Sequence[Values], own: Values) -> float:
    """Return the share of all points that are in fronts before one's own; larger is better.

    >>> better_share([(3, 0), (0, 3)], (1, 1))  # no other is better in both
    0.0
    >>> better_share([(3, 3), (2, 2)], (1, 1))
    0.6666666666666666
    """
    points = np.array([*others, own], np.float64)
    left, count = np.arange(len(points)), 0
    while True:
        part = points[left]
        at_least = (part[:, None] >= part[None]).all(-1)
        dominated = (at_least & ~at_least.T).any(0)
        if not dominated[-1] or count >= len(points) / 2:
            return count / len(points)
        count += int((~dominated).sum())
        left = left[dominated]
