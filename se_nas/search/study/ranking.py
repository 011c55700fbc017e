"""The best of a search so far, by the objective that training decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState

from se_nas.architecture.architecture import Architecture
from se_nas.space.objectives import METRICS, Objective, maximize
from se_nas.space.space import Space


def training_objective(space: Space) -> Objective:
    """The objective that training decides: the first on val_acc or val_loss, else val_acc."""
    found = (o for o in space.objectives if o.metric in METRICS)
    return next(found, maximize("val_acc"))


@dataclass
class Incumbent:
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


def incumbent_of(study: optuna.Study, space: Space) -> Incumbent:
    """The best of what a study has already: nothing in a new one."""
    best = Incumbent(training_objective(space))
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        if "outcome" in trial.user_attrs and all(v <= 0 for v in trial.constraints.values()):
            best.see(trial.user_attrs["outcome"]["metrics"], trial.user_attrs["name"])
    return best


def decisive(space: Space) -> int:
    """Which of a trial's values ranks it: that of the objective that training decides, if any."""
    objective = training_objective(space)
    return space.objectives.index(objective) if objective in space.objectives else 0


def ranking(opened: optuna.Study, space: Space) -> list[tuple[Architecture, list[float]]]:
    """Completed, feasible trials, best first; for several objectives those of the Pareto front.

    A front is ordered by the objective that training decides.
    """
    if len(space.objectives) > 1:
        ended = opened.best_trials
    else:
        complete = opened.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        ended = [t for t in complete if all(v <= 0 for v in t.constraints.values())]
    at = decisive(space)
    sign = 1 if space.objectives[at].direction == "maximize" else -1
    ended = sorted(ended, key=lambda trial: -sign * trial.values[at])
    return [
        (Architecture.from_json(trial.user_attrs["architecture"]), trial.values)
        for trial in ended
        if "architecture" in trial.user_attrs
    ]


def trained_curves(study: optuna.Study) -> list[tuple[int, Mapping[int, float]]]:
    """Return number and values by epoch of all trials that trained, or still do."""
    return [
        (trial.number, trial.intermediate_values)
        for trial in study.get_trials(deepcopy=False)
        # Neither repeated nor rejected; what failed may be mended by now.
        if "architecture" in trial.user_attrs and trial.state is not TrialState.FAIL
    ]
