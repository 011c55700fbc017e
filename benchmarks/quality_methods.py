"""Searchers to compare, each asked and told in one way."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any, Protocol

import optuna
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.trial import TrialState
from quality_tables import Problem

from se_nas.additive.candidates import Candidate, at_random, drawn, mutant
from se_nas.search.study.additive_sampler import AdditiveSampler
from se_nas.search.study.records import MEMORY

TRIES = 20  # proposals in a row that are not admitted or known, before a random one

warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


class Method(Protocol):
    """A searcher on one problem."""

    def ask(self) -> Candidate[Any]:
        """Return a network to train, admitted and new."""
        ...

    def tell(self, candidate: Candidate[Any], value: float | None) -> None:
        """Take in its value; None if it ran out of memory."""
        ...

    def best(self) -> Candidate[Any]:
        """Return the network believed best."""
        ...


class Told:
    """What all searchers keep: what was seen, and the best observed value."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self.problem, self.rng = problem, random.Random(seed)
        self.seen: set[Any] = set()
        self.values: list[tuple[float, Candidate[Any]]] = []

    def fresh(self, propose: Callable[[], Candidate[Any]]) -> Candidate[Any]:
        """Return a network that is admitted and new; at random if too many proposals are not."""
        for attempt in range(1000):
            found = propose() if attempt < TRIES else at_random(self.problem.draw, self.rng)
            if self.is_fresh(found):
                self.seen.add(found.key)
                return found
        raise RuntimeError("nothing new is left")

    def is_fresh(self, candidate: Candidate[Any]) -> bool:
        return candidate.key not in self.seen and self.problem.admits(candidate.value)

    def tell(self, candidate: Candidate[Any], value: float | None) -> None:
        if value is not None:
            self.values.append((value, candidate))

    def best(self) -> Candidate[Any]:
        return max(self.values, key=lambda pair: pair[0])[1]

    @property
    def told(self) -> list[Candidate[Any]]:
        return [candidate for _, candidate in self.values]

    def top(self, count: int) -> list[Candidate[Any]]:
        return [c for _, c in sorted(self.values, key=lambda pair: -pair[0])[:count]]


class Random(Told):
    def ask(self) -> Candidate[Any]:
        return self.fresh(lambda: at_random(self.problem.draw, self.rng))


class Evolution(Told):
    """Regularised evolution (Real et al. 2019): the best of a sample of the youngest."""

    population, sample = 30, 10

    def ask(self) -> Candidate[Any]:
        if len(self.values) < self.population:
            return self.fresh(lambda: at_random(self.problem.draw, self.rng))
        young = self.values[-self.population :]

        def child() -> Candidate[Any]:
            parent = max(self.rng.sample(young, self.sample), key=lambda pair: pair[0])[1]
            return mutant(self.problem.draw, parent, self.rng, changes=1)

        return self.fresh(child)


class LocalSearch(Told):
    """Neighbours of the best four, after a dozen random networks."""

    def ask(self) -> Candidate[Any]:
        if len(self.values) < 12:
            return self.fresh(lambda: at_random(self.problem.draw, self.rng))
        top = self.top(4)
        return self.fresh(
            lambda: mutant(self.problem.draw, self.rng.choice(top), self.rng, changes=1)
        )


class Optuna(Told):
    """A sampler of Optuna's kind in a study; what is not admitted is a broken constraint."""

    def __init__(
        self, problem: Problem, seed: int, sampler: BaseSampler, flat: bool = False
    ) -> None:
        super().__init__(problem, seed)
        self.study = optuna.create_study(direction="maximize", sampler=sampler)
        self.trials: dict[Any, optuna.Trial] = {}
        self.flat = flat
        self.all_options: dict[str, tuple[Any, ...]] = {}
        if flat:  # every parameter that may be met, so that all are in every trial
            for _ in range(300):
                self.all_options |= at_random(problem.draw, self.rng).options

    def ask(self) -> Candidate[Any]:
        found = self.fresh(self._propose)
        if found.key not in self.trials:  # drawn at random
            self.study.enqueue_trial(found.decisions)
            trial, _ = self._ask()
            trial.set_constraint("admitted", -1.0)  # GPSampler wants it of every trial
            self.trials[found.key] = trial
        return found

    def _propose(self) -> Candidate[Any]:
        trial, found = self._ask()
        fresh = self.is_fresh(found)
        trial.set_constraint("admitted", -1.0 if self.problem.admits(found.value) else 1.0)
        if fresh:
            self.trials[found.key] = trial
        else:
            self.study.tell(trial, state=TrialState.PRUNED)
        return found

    def _ask(self) -> tuple[optuna.Trial, Candidate[Any]]:
        trial = self.study.ask()
        if not self.flat:
            return trial, drawn(self.problem.draw, trial.suggest_categorical)
        chosen = {n: trial.suggest_categorical(n, o) for n, o in self.all_options.items()}
        return trial, drawn(self.problem.draw, lambda path, options: chosen[path])

    def tell(self, candidate: Candidate[Any], value: float | None) -> None:
        super().tell(candidate, value)
        trial = self.trials[candidate.key]
        trial.set_constraint(MEMORY, 1.0 if value is None else -1.0)
        if value is None:
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, value)


class Additive(Optuna):
    """Ours: the network believed best is the one with the best posterior mean."""

    def __init__(self, problem: Problem, seed: int, **settings: Any) -> None:
        def allows(parameters: Any) -> bool:
            return problem.admits(problem.draw(lambda path, o: parameters.get(path, o[0])))

        self.sampler = AdditiveSampler(
            problem.space,
            problem.price,
            allows=allows if problem.space is None else problem.admits,
            seed=seed,
            **settings,
        )
        super().__init__(problem, seed, self.sampler)

    def best(self) -> Candidate[Any]:
        number = self.sampler.ranking(self.study)[0].number
        return next(c for c in self.told if self.trials[c.key].number == number)


def tpe(seed: int, **settings: Any) -> TPESampler:
    return TPESampler(
        seed=seed, n_startup_trials=10, multivariate=True, constant_liar=True, **settings
    )


METHODS: dict[str, Callable[[Problem, int], Method]] = {
    "random": Random,
    "evolution": Evolution,
    "local": LocalSearch,
    "tpe": lambda problem, seed: Optuna(problem, seed, tpe(seed)),
    "tpe-group": lambda problem, seed: Optuna(problem, seed, tpe(seed, group=True)),
    "tpe-flat": lambda problem, seed: Optuna(problem, seed, tpe(seed), flat=True),
    "gp-flat": lambda problem, seed: Optuna(
        problem, seed, GPSampler(seed=seed, deterministic_objective=False), flat=True
    ),
    "additive": Additive,
}
