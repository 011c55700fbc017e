"""ASHA that knows the results of an earlier driver: its rungs are in the study, not in a file."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import optuna
from optuna.trial import TrialState
from ray.tune.schedulers import ASHAScheduler

NO_CONTROLLER: Any = None  # ASHA does not look at it


class Rungs(ASHAScheduler):
    """Stops trials as ASHA does, with the trials that a study has already counted in.

    Args:
        study: with the values of one objective as intermediate values, by epoch.
        metric, mode, max_t, grace_period: as in Ray Tune.
    """

    def __init__(
        self, study: optuna.Study, *, metric: str, mode: str, max_t: int, grace_period: int
    ) -> None:
        super().__init__(
            time_attr="epoch",
            metric=metric,
            mode=mode,
            max_t=max_t,
            grace_period=grace_period,
            reduction_factor=2,
        )
        self.running: dict[int, dict[int, float]] = {}
        for trial in study.get_trials(deepcopy=False):
            if "architecture" not in trial.user_attrs:
                continue  # repeated or rejected: not trained
            if trial.state is TrialState.RUNNING:
                self.running[trial.number] = dict(trial.intermediate_values)
            elif trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
                self._replay(SimpleNamespace(trial_id=f"ended-{trial.number}"), trial)

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        super().on_trial_add(tune_controller, trial)
        for epoch, value in self.running.pop(trial.config["number"], {}).items():
            self._count(trial, epoch, value)

    def _replay(self, ended: Any, trial: optuna.trial.FrozenTrial) -> None:
        super().on_trial_add(NO_CONTROLLER, ended)
        for epoch, value in sorted(trial.intermediate_values.items()):
            self._count(ended, epoch, value)

    def _count(self, trial: Any, epoch: int, value: float) -> None:
        self.on_trial_result(NO_CONTROLLER, trial, {"epoch": epoch, self._metric: value})
