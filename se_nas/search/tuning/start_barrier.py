"""Start barrier: all workers are up before the first trial trains, and each keeps its trial.

Tune gives a worker that becomes free to the oldest waiting trial, also where a worker is starting
for that trial already, and ends the one that starts. With many slots and short trials most slots
then stay empty. This scheduler stands before the real one: it chooses no trial, so that a free
worker takes the newest proposal, and it holds the first wave until every slot has its worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ray.tune.schedulers import TrialScheduler

from se_nas.search.tuning.ray_internals import count_live, train
from se_nas.search.worker.reports import read_report

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController
    from ray.tune.experiment import Trial

# The wait ends when no further worker came up for so long: a full cluster, a node that is away.
START_TIMEOUT_S = 60.0


class StartBarrier(TrialScheduler):
    """A scheduler that holds the trials of the first wave; all else is up to ``scheduler``.

    Attributes:
        held: trials whose workers are up and wait.
        wave: all trials of the first wave; empty once it trains.
    """

    def __init__(
        self,
        scheduler: TrialScheduler,
        timeout: float = START_TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.scheduler, self.timeout, self._clock = scheduler, timeout, clock
        self.held: list[object] = []
        self.wave: set[object] = set()
        self._released = False
        self._last_up = 0.0

    @property
    def metric(self) -> str | None:
        metric: str | None = self.scheduler.metric
        return metric

    @property
    def supports_buffered_results(self) -> bool:
        return False

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: object) -> bool:
        return bool(self.scheduler.set_search_properties(metric, mode, **spec))

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        if not self._released:
            self.wave.add(trial)
        self.scheduler.on_trial_add(tune_controller, trial)

    def on_trial_error(self, tune_controller: TuneController, trial: Trial) -> None:
        self._forget(trial)
        self.scheduler.on_trial_error(tune_controller, trial)

    def on_trial_result(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, object]
    ) -> str:
        if not read_report(result).get("ready"):
            return str(self.scheduler.on_trial_result(tune_controller, trial, result))
        if self._released:
            return str(TrialScheduler.CONTINUE)
        self.held.append(trial)
        self._last_up = self._clock()
        return str(TrialScheduler.NOOP)

    def on_trial_complete(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, object]
    ) -> None:
        self._forget(trial)
        self.scheduler.on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: TuneController, trial: Trial) -> None:
        self._forget(trial)
        self.scheduler.on_trial_remove(tune_controller, trial)

    def choose_trial_to_run(self, tune_controller: TuneController) -> None:
        """Let the first wave train once its workers are up, or the wait is over.

        Tune asks at every step. The answer is None: Tune starts trials in order.
        """
        waited = self.held and self._clock() - self._last_up > self.timeout
        if self.held and (waited or len(self.held) >= count_live(tune_controller)):
            held, self.held = self.held, []
            self._released = True
            self.wave.clear()
            for trial in held:
                train(tune_controller, trial)

    def debug_string(self) -> str:
        return str(self.scheduler.debug_string())

    def _forget(self, trial: object) -> None:
        if trial in self.held:
            self.held.remove(trial)
