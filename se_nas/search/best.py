"""The best of a search so far, by the objective that training decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from se_nas.objectives import METRICS, Objective, maximize
from se_nas.space import Space


def training_objective(space: Space) -> Objective:
    """The objective that training decides: the first on val_acc or val_loss, else val_acc."""
    found = (o for o in space.objectives if o.metric in METRICS)
    return next(found, maximize("val_acc"))


@dataclass
class Best:
    """The best value among trials that were trained to their end.

    Attributes:
        objective: what is compared.
        value: the best of it; of no meaning while there is none.
        architecture: whose it is; empty while there is none.
    """

    objective: Objective
    value: float = 0.0
    architecture: str = ""

    def see(self, metrics: Mapping[str, float], architecture: str) -> None:
        """A trial was trained to its end, with these metrics of its last epoch."""
        value = metrics[self.objective.metric]
        sign = 1 if self.objective.direction == "maximize" else -1
        if not self.architecture or sign * (value - self.value) > 0:
            self.value, self.architecture = value, architecture


def best_of(study: optuna.Study, space: Space) -> Best:
    """The best of what a study has already: nothing in a new one."""
    best = Best(training_objective(space))
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        if "outcome" in trial.user_attrs and all(v <= 0 for v in trial.constraints.values()):
            best.see(trial.user_attrs["outcome"]["metrics"], trial.user_attrs["name"])
    return best
