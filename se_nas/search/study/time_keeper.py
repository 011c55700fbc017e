"""Time as a budget: trials go on while there is time for them and for the finals after them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from se_nas.console import duration
from se_nas.search.config import SearchConfig
from se_nas.search.study.proposals import Proposals

CONTROLS = 4  # at most
MOST_FOR_FINALS = 0.5  # share of the time
LONG = 0.9  # a retraining takes as long as so many of the trials at most
FEW = 20  # trials, which tell little


@dataclass
class TimeKeeper:
    """The clock of a search with ``hours``; without, it never ends anything.

    Args:
        proposals: whose trials' times are the measure.
        at_once: trials at the same time.
        say: takes the plan, in words, once it can be made.
        began: when the search began, by ``clock``.
    """

    proposals: Proposals
    config: SearchConfig
    at_once: int
    say: Callable[[str], None]
    began: float
    clock: Callable[[], float] = time.monotonic
    _told: bool = field(default=False, init=False)

    def __getstate__(self) -> dict[str, object]:
        return {}  # Tune pickles what its searcher holds, and nobody reads that

    def is_over(self) -> bool:
        """Return whether one more trial would leave too little time; the plan is said once."""
        if self.config.hours is None:
            return False
        trial = self._trial_seconds()
        if trial is None:
            return self.left() <= 0
        if not self._told and len(self.proposals.seconds) >= self.at_once:
            self._told = True
            self.say(self._plan(trial))
        return self.left() - trial < self._for_finals()

    def left(self) -> float:
        """Return the seconds that are left."""
        assert self.config.hours is not None
        return self.began + 3600 * self.config.hours - self.clock()

    def final_runs(self, networks: int, controls: int) -> tuple[int, int | None]:
        """Return how many networks may be retrained, and how many trainings there may be.

        Those that are asked for, if there is time; else fewer, with one network at least.
        """
        wanted = self.config.final_runs or (networks + controls) * self.config.final_seeds
        if self.config.hours is None or not self.proposals.whole_seconds:
            return networks, self.config.final_runs
        fit = int(max(self.left(), 0.0) / self._final_seconds()) * self.at_once
        if fit >= wanted:
            return networks, self.config.final_runs
        return min(networks, max(1, fit - controls)), max(fit, 1 + controls)

    def _plan(self, trial: float) -> str:
        finals = self._for_finals()
        each = statistics.fmean(self.proposals.seconds)  # with those that were stopped early
        more = int(max(0.0, self.left() - finals) / each) * self.at_once
        planned = min(self.proposals.counts.ended + more, self.proposals.trials)
        few = "" if planned >= FEW else "; fewer --epochs make more of them, which tell more"
        return (
            f"about {planned} trials, {duration(trial)} each to their end, then {duration(finals)} "
            f"for the finals: {self.config.hours:g} h in all{few}"
        )

    def _for_finals(self) -> float:
        """Return the seconds that the finals take: the best, then the controls."""
        seeds, top = self.config.final_seeds, self.config.top
        waves = sum(-(-count * seeds // self.at_once) for count in (top, CONTROLS))
        if self.config.final_runs is not None:
            waves = -(-self.config.final_runs // self.at_once)
        assert self.config.hours is not None
        return min(waves * self._final_seconds(), MOST_FOR_FINALS * 3600 * self.config.hours)

    def _final_seconds(self) -> float:
        """Return the seconds of a retraining: the best networks are rarely the fastest."""
        whole = sorted(self.proposals.whole_seconds)
        longer = (self.config.final_epochs or self.config.epochs) / self.config.epochs
        return whole[int(LONG * len(whole))] * longer

    def _trial_seconds(self) -> float | None:
        """Return the median time of a trial that is trained to its end."""
        whole = self.proposals.whole_seconds
        return statistics.median(whole) if whole else None
