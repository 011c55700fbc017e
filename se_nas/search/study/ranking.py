"""The best of a search so far, by the objective that training decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from se_nas.architecture.architecture import Architecture
from se_nas.search.study.records import COST, EPOCH, Record, State, is_feasible
from se_nas.space.objectives import METRICS, Objective, maximize
from se_nas.space.space import Space

TRAINED: tuple[State, ...] = ("running", "told_half", "ended")


def training_objective(space: Space) -> Objective:
    """Return the training's objective: the first on val_acc or val_loss, else val_acc."""
    found = (o for o in space.objectives if o.metric in METRICS)
    return next(found, maximize("val_acc"))


@dataclass
class Incumbent:
    """The best value among trials that were trained to their end.

    Attributes:
        objective: what is compared.
        value: the best of it; without meaning while there is none.
        architecture: the name of its architecture; empty while there is none.
    """

    objective: Objective
    value: float = 0.0
    architecture: str = ""

    def update(self, metrics: Mapping[str, float], architecture: str) -> None:
        """Compare a trial that was trained to its end, by the metrics of its last epoch."""
        value = metrics[self.objective.metric]
        sign = 1 if self.objective.direction == "maximize" else -1
        if not self.architecture or sign * (value - self.value) > 0:
            self.value, self.architecture = value, architecture


def incumbent_of(study: optuna.Study, space: Space) -> Incumbent:
    """Return the best trial of a study so far; without an architecture if there is none."""
    best = Incumbent(training_objective(space))
    for record in map(Record.of, _complete(study)):
        if record.outcome is not None:
            best.update(record.outcome.metrics, record.name)
    return best


def decisive(space: Space) -> int:
    """Return the index of the value that ranks a trial: the training's objective, else 0."""
    objective = training_objective(space)
    return space.objectives.index(objective) if objective in space.objectives else 0


def ranking(opened: optuna.Study, space: Space) -> list[tuple[Architecture, list[float]]]:
    """Return completed, feasible trials, best first; for several objectives the Pareto front.

    A front is ordered by the training's objective.
    """
    ended = opened.best_trials if len(space.objectives) > 1 else _complete(opened)
    at = decisive(space)
    sign = 1 if space.objectives[at].direction == "maximize" else -1
    ended = sorted(ended, key=lambda trial: -sign * trial.values[at])
    found = [(Record.of(trial), trial.values) for trial in ended]
    return [
        (Architecture.from_json(record.architecture), values)
        for record, values in found
        if record.trained
    ]


def objective_values(
    space: Space, cost: Mapping[str, object], metrics: Mapping[str, object]
) -> list[float]:
    """Return the values of a space's objectives."""
    known = {**cost, **metrics}
    return [float(str(known[objective.metric])) for objective in space.objectives]


def curves_of_objectives(
    study: optuna.Study, space: Space
) -> list[tuple[int, Mapping[int, Sequence[float]]]]:
    """Return number and objectives by epoch of the trials of ``trained_curves``.

    For studies of several objectives, which have no intermediate values.
    """
    return [
        (trial.number, objectives_by_epoch(trial, space))
        for trial in study.get_trials(deepcopy=False)
        if Record.of(trial).state in TRAINED
    ]


def objectives_by_epoch(trial: FrozenTrial, space: Space) -> dict[int, list[float]]:
    """Return the objectives of one trial of a study with several, by epoch."""
    attrs = trial.user_attrs
    return {
        int(name.removeprefix(EPOCH)): objective_values(space, attrs[COST], metrics)
        for name, metrics in attrs.items()
        if name.startswith(EPOCH) and COST in attrs
    }


def trained_curves(study: optuna.Study) -> list[tuple[int, Mapping[int, float]]]:
    """Return number and values by epoch of all trials that trained, or still do.

    Failed trials are left out: their cause may be mended by now.
    """
    return [
        (trial.number, trial.intermediate_values)
        for trial in study.get_trials(deepcopy=False)
        if Record.of(trial).state in TRAINED
    ]


def _complete(study: optuna.Study) -> list[FrozenTrial]:
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial for trial in trials if is_feasible(trial)]
