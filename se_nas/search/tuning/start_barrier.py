"""Workers are started before the first trial trains, and a worker that starts keeps its trial.

Tune gives a worker that becomes free to the oldest waiting trial, also where a worker is starting
for that trial already, and ends the one that starts. With many slots and short trials most slots
then stay empty. This scheduler stands before the real one: it chooses no trial, so that a free
worker takes the newest proposal, and it holds the first wave until every slot has its worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ray.tune.schedulers import TrialScheduler

# The wait ends when no further worker came up for so long: a full cluster, a node that is away.
PATIENCE_S = 60.0


class StartBarrier(TrialScheduler):
    """Holds the trials of the first wave; everything else is up to ``scheduler``.

    Attributes:
        held: trials whose workers are up and wait.
        wave: all trials of the first wave; empty once it trains.
    """

    def __init__(
        self,
        scheduler: Any,
        patience: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.scheduler, self.patience, self._clock = scheduler, patience, clock
        self.held: list[Any] = []
        self.wave: set[Any] = set()
        self._released = False
        self._last_up = 0.0

    @property
    def metric(self) -> Any:
        return self.scheduler.metric

    @property
    def supports_buffered_results(self) -> bool:
        return False

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        return bool(self.scheduler.set_search_properties(metric, mode, **spec))

    def on_trial_add(self, controller: Any, trial: Any) -> None:
        if not self._released:
            self.wave.add(trial)
        self.scheduler.on_trial_add(controller, trial)

    def on_trial_error(self, controller: Any, trial: Any) -> None:
        self._forget(trial)
        self.scheduler.on_trial_error(controller, trial)

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if not result.get("ready"):
            return str(self.scheduler.on_trial_result(controller, trial, result))
        if self._released:
            return str(TrialScheduler.CONTINUE)
        self.held.append(trial)
        self._last_up = self._clock()
        return str(TrialScheduler.NOOP)

    def on_trial_complete(self, controller: Any, trial: Any, result: dict[str, Any]) -> None:
        self._forget(trial)
        self.scheduler.on_trial_complete(controller, trial, result)

    def on_trial_remove(self, controller: Any, trial: Any) -> None:
        self._forget(trial)
        self.scheduler.on_trial_remove(controller, trial)

    def choose_trial_to_run(self, controller: Any) -> None:
        """None: Tune then starts trials in order. It asks at every step, so the wait ends here."""
        waited = self.held and self._clock() - self._last_up > self.patience
        if self.held and (waited or len(self.held) >= len(controller.get_live_trials())):
            held, self.held = self.held, []
            self._released = True
            self.wave.clear()
            for trial in held:
                controller._schedule_trial_train(trial)

    def debug_string(self) -> str:
        return str(self.scheduler.debug_string())

    def _forget(self, trial: Any) -> None:
        if trial in self.held:
            self.held.remove(trial)
