"""The trials of a study as the additive model needs them: values by features, and what runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from se_nas.additive.candidates import Ask, Candidate, repeated
from se_nas.additive.features import of_architecture, of_parameters
from se_nas.additive.interactions import LEAST, Interactions, Shape, learn_shape
from se_nas.additive.memory_limit import MemoryLimit
from se_nas.additive.model import AdditiveModel, Array, Feature, Features, Posterior
from se_nas.additive.study_space import StudySpace
from se_nas.additive.surrogate import Surrogate
from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Cost, Price
from se_nas.search.study.ranking import objectives_by_epoch
from se_nas.search.study.records import MEMORY
from se_nas.space.space import Space

Allows: TypeAlias = Callable[[Any], bool]
RUNG = "rung"  # group of features: the epoch of a trial that was stopped early
GROWTH = 1.2  # by how much the trials grow until the shapes of interactions are learnt again


class KnownTrials:
    """The trials of one study, read once each.

    Attributes:
        models: one for each objective, of values to be maximized.
        networks: of the trials that have a value of their last epoch.
        numbers: of those trials.
        observed: trials that have a value, of their last epoch or of the one they stopped at.
        limit: of memory, as far as costs are known.
    """

    def __init__(self, space: Space | None, price: Price | None, allows: Allows | None) -> None:
        self.space, self.price, self.allows = space, price, allows
        self.models: list[AdditiveModel] = []
        self.networks: list[Candidate[object]] = []
        self.numbers: list[int] = []
        self.observed = 0
        self.limit = MemoryLimit(3)
        self.study_space = StudySpace()
        self.constraints: dict[str, AdditiveModel] = {}
        self._limits: list[Posterior] = []  # of the constraints
        self._kept: set[str] = set()  # those that some trial kept
        self._computed = {MEMORY, *map(str, space.constraints)} if space and price else set()
        self._distributions: dict[str, BaseDistribution] = {}
        self._features: list[Features] = []
        self._values: list[list[float]] = []  # of ``networks``, to be maximized
        self._shapes: list[Shape] = []
        self._next = LEAST
        self._rows = np.zeros((0, 0))
        self._seen: dict[int, Hashable] = {}
        self._running: dict[int, Candidate[object]] = {}
        self._first_open = 0
        self.signs: list[float] = []

    def update(self, study: Study) -> None:
        """Read what is new; trials that ended since the last time in the order of their ends."""
        if not self.models:
            self.signs = [
                -1.0 if direction == StudyDirection.MINIMIZE else 1.0
                for direction in study.directions
            ]
            self.models = [AdditiveModel() for _ in study.directions]
        trials = study.get_trials(deepcopy=False)
        self._running.clear()
        ended: list[FrozenTrial] = []
        for trial in trials[self._first_open :]:
            if trial.number in self._seen:
                continue
            if trial.state.is_finished():
                ended.append(trial)
            elif trial.params:
                self._running[trial.number] = self._candidate(trial)
        for trial in sorted(ended, key=_end):
            self._read(trial)
        while self._first_open in self._seen:
            self._first_open += 1
        if ended:
            self._limits = [self.constraints[name].fit() for name in sorted(self._kept)]

    @property
    def first_values(self) -> Array:
        """The values of ``networks`` in the first objective, to be maximized."""
        return np.array([values[0] for values in self._values])

    def draw(self, ask: Ask) -> object:
        """Draw a network, or parameters; the drawing function of candidates."""
        return self.study_space.draw(ask) if self.space is None else self.space.draw(ask)

    def features(self, candidate: Candidate[object]) -> dict[Feature, float]:
        """Return what is modelled of a candidate."""
        if isinstance(candidate.value, Architecture):
            return of_architecture(candidate.value)
        return of_parameters(candidate.decisions)

    def key(self, candidate: Candidate[object]) -> Hashable:
        """Return what two candidates have in common that are one point."""
        return candidate.value.id if isinstance(candidate.value, Architecture) else candidate.key

    def admits(self, candidate: Candidate[object]) -> bool:
        """Return whether a candidate keeps the constraints, and fits into memory, as is known."""
        if self.allows is not None and not self.allows(candidate.value):
            return False
        if isinstance(candidate.value, Architecture) and self.space and self.price:
            cost = self.price(candidate.value)
            if not (self.space.admits(cost) and self.limit.admits(sizes(cost))):
                return False
        features = self.features(candidate)
        believed = [p.means(p.rows([features]))[0] for p in self._limits]
        return all(excess <= 0 for excess in believed)

    def seen(self) -> set[Hashable]:
        """Return the keys of all trials, also of those that run."""
        return set(self._seen.values()) | {self.key(each) for each in self._running.values()}

    def pending(self) -> list[Features]:
        """Return the features of the trials that run."""
        return [self.features(each) for each in self._running.values()]

    def surrogates(self, running: bool = True) -> list[Surrogate]:
        """Return what is believed of each objective; trials that run may count as known."""
        features = self.pending() if running else []
        found = []
        for index, model in enumerate(self.models):
            posterior, g = model.fit(features), None
            shape = self._shapes[index] if self._shapes else Shape()
            if shape.amount > 0:
                rows, left_over = self._left_over(posterior, index)
                g = Interactions(shape, rows, left_over, posterior.rows(features))
            found.append(Surrogate(posterior, g))
        return found

    def rows(self, posterior: Posterior) -> Array:
        """Return the amounts of ``networks``, a row for each."""
        width, count = len(posterior.mean), len(self._rows)
        if self._rows.shape[1] < width:
            self._rows = np.pad(self._rows, ((0, 0), (0, width - self._rows.shape[1])))
        if count < len(self._features):
            self._rows = np.concatenate([self._rows, posterior.rows(self._features[count:])])
        return self._rows

    def distributions(self, candidate: Candidate[object]) -> dict[str, BaseDistribution]:
        """Return the distributions of a candidate's parameters."""
        if self.space is None:
            return {name: self._distributions[name] for name in candidate.decisions}
        return {path: CategoricalDistribution(o) for path, o in candidate.options.items()}

    def _left_over(self, posterior: Posterior, index: int) -> tuple[Array, Array]:
        rows = self.rows(posterior)
        return rows, np.array([values[index] for values in self._values]) - posterior.means(rows)

    def _learn_shapes(self) -> None:
        """Learn again at certain numbers of trials, so that it is the same whoever asked when."""
        if len(self.networks) >= self._next:
            self._next = max(self._next + 1, int(self._next * GROWTH))
            self._shapes = [
                learn_shape(*self._left_over(model.fit(), index))
                for index, model in enumerate(self.models)
            ]

    def _candidate(self, trial: FrozenTrial) -> Candidate[object]:
        if self.space is None:
            options = {n: found for n, d in trial.distributions.items() if (found := _options(d))}
            parameters = {name: trial.params[name] for name in options}
            return Candidate(parameters, options, parameters)
        return repeated(self.space.draw, trial.params)

    def _read(self, trial: FrozenTrial) -> None:
        self._seen[trial.number] = None
        if not trial.params:
            return
        candidate = self._candidate(trial)
        self._seen[trial.number] = self.key(candidate)
        if self.space is None:
            self._distributions |= trial.distributions
            self.study_space.add(candidate.decisions, candidate.options)
        features: dict[Feature, float] = self.features(candidate)
        if isinstance(candidate.value, Architecture) and self.price:
            cost = self.price(candidate.value)
            if trial.constraints.get(MEMORY, 0) > 0:
                self.limit.fail(sizes(cost))
            elif trial.state == TrialState.COMPLETE:
                self.limit.succeed(sizes(cost))
        for name, excess in trial.constraints.items():
            if name not in self._computed and math.isfinite(excess):
                self.constraints.setdefault(name, AdditiveModel()).add(features, excess)
                if excess <= 0:
                    self._kept.add(name)
        values = trial.values if trial.state == TrialState.COMPLETE else None
        if values is None and trial.state == TrialState.PRUNED and trial.intermediate_values:
            step = max(trial.intermediate_values)
            values = [trial.intermediate_values[step]]
            features = features | {(RUNG, str(step)): 1.0}
        if values is None and trial.state == TrialState.PRUNED and self.space is not None:
            reported = objectives_by_epoch(trial, self.space)
            if reported:
                values = reported[max(reported)]
                features = features | {(RUNG, str(max(reported))): 1.0}
        if values is None or not all(map(math.isfinite, values)):
            return
        self.observed += 1
        for model, sign, value in zip(self.models, self.signs, values, strict=True):
            model.add(features, sign * value)
        if trial.state == TrialState.COMPLETE:
            self.networks.append(candidate)
            self.numbers.append(trial.number)
            self._features.append(features)
            pairs = zip(self.signs, values, strict=True)
            self._values.append([sign * value for sign, value in pairs])
            self._learn_shapes()


def sizes(cost: Cost) -> tuple[float, float, float]:
    """Return what may decide whether a network fits into memory."""
    return (float(cost.peak_activations), float(cost.params), float(cost.macs))


def _end(trial: FrozenTrial) -> tuple[datetime, int]:
    assert trial.datetime_complete is not None, "it is finished"
    return trial.datetime_complete, trial.number


def _options(distribution: BaseDistribution) -> tuple[object, ...]:
    """Return the values of a parameter; none of a float, which is not modelled."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    if isinstance(distribution, IntDistribution):
        return tuple(range(distribution.low, distribution.high + 1, distribution.step))
    return ()
