"""``AdditiveSampler``: an Optuna sampler that learns what each choice adds to the value.

    study = optuna.create_study(direction="maximize", sampler=se_nas.AdditiveSampler(seed=0))

A proposal is a function of the seed, the trial's number and the trials of the study so far: a
study that was cut, or that several processes work on, goes on as if nothing had been.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial

from se_nas.additive.candidates import PARENTS, Candidate, at_random, climbed
from se_nas.additive.interactions import Function
from se_nas.additive.model import Array
from se_nas.cost.network_cost import Price
from se_nas.search.study.known_trials import Allows, KnownTrials
from se_nas.space.space import Space

STARTUP, TRIES = 12, 200
# Least share of what the model leaves over that is taken for a network's own, and not for noise;
# it is all of it while there are no more trials than ``startup``, which teach a model little.
OWN = 0.1
# From the objectives' values, scaled to [0, 1], to what is maximized.
Wish: TypeAlias = Callable[[Array], Array]


@dataclass(frozen=True)
class Belief:
    """What is believed of a trial's true value, by the model of all trials."""

    number: int
    mean: float
    deviation: float


class AdditiveSampler(BaseSampler):
    """Thompson sampling on an additive model of the objectives.

    The first trials are random. Then worths of all choices are drawn from what is believed of them,
    also of choices that matter only together where the trials show some (``interactions``), and the
    network that is best by those is sought among mutants of the ones believed best. Trials
    that run count as known with their expected value. Several objectives have a model each, and a
    proposal is best in a direction between them that is drawn too.

    Categorical and integer parameters are modelled, those that come only with some values of others
    too; floats are drawn at random.

    Args:
        space: if given, what is modelled are the layers of a network and not the parameters, and
            proposals are those of ``space.suggest``.
        price: the cost of an architecture; with it no proposal breaks the space's constraints.
        allows: whether a network (without ``space``, a trial's parameters) may be tried; where
            it is not given, constraints that the study's trials break are learnt.
        seed: of all draws.
        startup: random trials before the model is asked.

    >>> import optuna
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(direction="maximize", sampler=AdditiveSampler(seed=0))
    >>> def objective(trial):
    ...     return sum(trial.suggest_int(f"x{i}", 0, 3) for i in range(5))
    >>> study.optimize(objective, n_trials=40)
    >>> study.best_value >= 14
    True
    """

    def __init__(
        self,
        space: Space | None = None,
        price: Price | None = None,
        *,
        allows: Allows | None = None,
        seed: int | None = None,
        startup: int = STARTUP,
    ) -> None:
        self.space, self.price, self.allows, self.startup = space, price, allows, startup
        self.seed = random.randrange(2**32) if seed is None else seed
        self._independent = RandomSampler(self.seed)
        self._proposed: dict[int, dict[str, object]] = {}
        self._known: tuple[str, KnownTrials] | None = None

    def on(self, space: Space, price: Price) -> AdditiveSampler:
        """Return a sampler with the same settings for a space."""
        return AdditiveSampler(space, price, seed=self.seed, startup=self.startup)

    def reseed_rng(self) -> None:
        """Change the seed, as Optuna asks of the copies in other processes."""
        self.seed = random.randrange(2**32)
        self._independent.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Propose, and return the distributions of the parameters that the proposal has."""
        known = self._update(study)
        candidate = self._propose(known, trial.number)
        if candidate is None:
            return {}
        self._proposed[trial.number] = candidate.decisions
        return known.distributions(candidate)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, object]:
        """Return the proposal."""
        return self._proposed.pop(trial.number, {})

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> object:
        """Draw what is not modelled at random."""
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def ranking(self, study: Study) -> list[Belief]:
        """Return what is believed of the trials that are complete, the best first.

        It is of the first objective, and with a direction of minimization the least is the best.
        """
        known = self._update(study)
        if not known.networks:
            return []
        surrogate = known.surrogates(running=False)[0]
        rows = known.rows(surrogate.posterior)
        means = surrogate.means(rows)
        own = max(OWN, min(1.0, self.startup / len(means)))
        means = means + own * (known.first_values - means)
        found = zip(known.numbers, means, surrogate.deviations(rows), strict=True)
        ranked = sorted(found, key=lambda belief: -belief[1])
        return [Belief(number, known.signs[0] * float(m), float(d)) for number, m, d in ranked]

    def _update(self, study: Study) -> KnownTrials:
        if self._known is None or self._known[0] != study.study_name:
            known = KnownTrials(self.space, self.price, self.allows)
            self._known = study.study_name, known
        self._known[1].update(study)
        return self._known[1]

    def _propose(self, known: KnownTrials, number: int) -> Candidate[object] | None:
        """Return what to try; None for all at random."""
        rng = random.Random(f"{self.seed} {number}")
        if self.space is None and not known.study_space.options:
            return None
        seen = known.seen()
        if known.observed < self.startup or not known.networks:
            found = (at_random(known.draw, rng) for _ in range(TRIES))
            return next((c for c in found if known.key(c) not in seen and known.admits(c)), None)
        generator = np.random.default_rng(rng.getrandbits(64))
        surrogates = known.surrogates()
        posterior = surrogates[0].posterior
        values = [surrogate.draw(generator) for surrogate in surrogates]
        means = _columns([s.means for s in surrogates], known.rows(posterior))
        wish = _wish(means, generator)
        best = np.argsort(-wish(means))[:PARENTS]

        def score(candidates: Sequence[Candidate[object]]) -> Sequence[float]:
            rows = posterior.rows([known.features(each) for each in candidates])
            return wish(_columns(values, rows)).tolist()  # type: ignore[no-any-return]

        parents = [known.networks[i] for i in best]
        climb = climbed(known.draw, parents, score, known.admits, rng)
        return next((c for c in climb if known.key(c) not in seen), None)


def _columns(objectives: Sequence[Function], rows: Array) -> Array:
    """Return the value of each network, a row of amounts, in each objective."""
    return np.stack([objective(rows) for objective in objectives], axis=1)


def _wish(means: Array, generator: np.random.Generator) -> Wish:
    """Return what is maximized: the objective, or the least of several in drawn proportions.

    With several it is the augmented Chebyshev function of ParEGO (Knowles 2006), whose maxima for
    all proportions are the Pareto front.
    """
    if means.shape[1] == 1:
        return lambda values: values[:, 0]
    low, high = means.min(0), means.max(0)
    shares = generator.dirichlet(np.ones(means.shape[1]))

    def least(values: Array) -> Array:
        weighed = (values - high) / np.maximum(high - low, 1e-12) * shares
        found: Array = weighed.min(1) + 0.05 * weighed.sum(1)
        return found

    return least
