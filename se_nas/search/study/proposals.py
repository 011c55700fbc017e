"""Between the sampler and the trainer: every proposal is checked before anything trains.

    rejected    a constraint on its cost is broken: told as infeasible, by arithmetic alone
    duplicate   its network is known: its outcome is noted, now or when it is known, and no value
    accepted    trained, and told what happened

This file knows Optuna but not Ray.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Cost, Price
from se_nas.search.config import SearchConfig
from se_nas.search.study import tell
from se_nas.search.study.drivers import SharedStudy
from se_nas.search.study.initial_points import initial_points, parse_enqueued
from se_nas.search.study.journal import batch
from se_nas.search.study.random_draws import draw_unseen, feasible
from se_nas.search.study.records import Counts, Outcome, Proposal
from se_nas.space.space import Space

# After so many proposals in a row that need no training, look for an unseen architecture at random.
PATIENCE = 20


class Proposals:
    """Asks the study for architectures worth training, and tells it what became of them.

    Args:
        study: an Optuna study whose directions are the space's objectives.
        price: the cost of an architecture on the search's data.
        trials: how many distinct architectures to accept, all drivers of the study together.
        seed: of the random draws that stand in for a sampler that repeats itself.
        first: architectures to try before the sampler is asked, in this order.
        sampled: ask the sampler after them; else they are all that is tried.
        drivers: of a study in a database, which others may work on; None for one driver alone.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: Space,
        price: Price,
        *,
        trials: int,
        seed: int = 0,
        first: Iterable[Architecture] = (),
        sampled: bool = True,
        drivers: SharedStudy | None = None,
    ) -> None:
        self.study, self.space, self.price, self.trials = study, space, price, trials
        self.drivers = drivers
        self.counts = Counts()
        self.first, self.sampled = iter(first), sampled
        self.events = tell.last_event(
            study
        )  # asks and tells so far: their order is what a replay needs
        self.exhausted = self.full = False
        self.unfinished: list[Proposal] = []  # of an earlier driver: they go on first
        self.elsewhere: dict[int, FrozenTrial] = {}  # trials that other drivers train, by number
        self._random = random.Random(seed)
        self._running: dict[str, list[optuna.Trial]] = {}  # id → duplicates that wait for it
        self._ended: dict[str, Outcome] = {}
        self._curves: dict[int, dict[int, float]] = {}  # trial number → value by epoch

    def ask(self) -> Proposal | None:
        """The next architecture to train; None when there is none left."""
        if self.unfinished:
            return self.unfinished.pop(0)
        if self.exhausted or self._enough:
            return None
        self.listen()
        with batch(self.study):
            proposal = self._next()
            if proposal is not None:
                proposal.trial.set_user_attr("asked", self._event())
            elif not self._enough:
                self.exhausted = True
                tell.note_exhausted(self.study, self._event())
            return proposal

    def listen(self) -> None:
        """Learn what other drivers did since the last time."""
        for trial in [] if self.drivers is None else self.drivers.news():
            attrs = trial.user_attrs
            if "id" not in attrs:  # trained nothing
                self.counts.rejected += attrs.get("end") == "rejected"
                self.counts.duplicates += bool(attrs.get("duplicate"))
                continue
            self.counts.accepted += trial.number not in self.elsewhere
            if trial.state is TrialState.RUNNING:
                self.elsewhere[trial.number] = trial
                self._running.setdefault(attrs["id"], [])
            else:
                self.elsewhere.pop(trial.number, None)
                self._learn(attrs["id"], Outcome(**attrs["outcome"]))

    def report(self, proposal: Proposal, epoch: int, metrics: Mapping[str, float]) -> None:
        """An epoch's validation metrics; the study keeps them as intermediate values."""
        if len(self.space.objectives) > 1:
            return  # Optuna has no intermediate values for several objectives
        value = self._values(proposal.cost, metrics)[0]
        curve = self._curves.setdefault(proposal.number, {})
        # A trial whose worker died begins again: what it reports again is known.
        if math.isfinite(value) and epoch not in curve:
            curve[epoch] = value
            with batch(self.study):
                proposal.trial.report(value, epoch)

    def tell(self, proposal: Proposal, outcome: Outcome) -> None:
        """How the trial ended; duplicates that wait for it end with it."""
        self._curves.pop(proposal.number, None)
        complete = outcome.end == "complete"
        values = self._values(proposal.cost, outcome.metrics) if complete else None
        with batch(self.study):
            proposal.trial.set_user_attr("told", self._event())
            tell.tell_outcome(proposal.trial, outcome, values)
            self._learn(proposal.architecture.id, outcome)

    def remember(self, architecture_id: str, outcome: Outcome) -> None:
        """A trial that ended under an earlier driver: its network is known."""
        self.counts.accepted += 1
        self._learn(architecture_id, outcome)

    def go_on(self, proposal: Proposal, curve: Mapping[int, float]) -> None:
        """A trial that an earlier driver did not see the end of: the next ``ask`` gives it."""
        self.counts.accepted += 1
        self._running[proposal.architecture.id] = []
        self._curves[proposal.number] = dict(curve)
        self.unfinished.append(proposal)

    def consider_again(self, trial: optuna.Trial) -> None:
        """A trial that an earlier driver had asked for and not decided on."""
        proposal = self._consider(trial, self.space.suggest(trial))
        if proposal is not None:
            self.unfinished.append(proposal)

    def leave(self) -> None:
        """Tell the duplicates that wait for trials of other drivers: this one hears no more."""
        for trial in self.elsewhere.values():
            for waiting in self._running.pop(trial.user_attrs["id"], []):
                waiting.set_user_attr("duplicate", True)
                tell.tell_untrained(waiting, "repeated")

    @property
    def open(self) -> bool:
        """Whether there is anything left to train."""
        return bool(self.unfinished) or not (self.exhausted or self._enough)

    @property
    def _enough(self) -> bool:
        return self.full or self.counts.accepted >= self.trials

    def _next(self) -> Proposal | None:
        for architecture in self.first:
            if self._enough:
                return None
            if not self._seen(architecture) and feasible(self.space, self.price(architecture)):
                proposal = self._propose(architecture)
                if proposal is not None:
                    return proposal
        for _ in range(PATIENCE if self.sampled else 0):
            if self._enough:
                return None
            trial = self._ask(None)
            proposal = self._consider(trial, self.space.suggest(trial))
            if proposal is not None:
                return proposal
        while self.sampled and not self._enough:
            found = draw_unseen(self.space, self.price, self._seen, self._random)
            proposal = None if found is None else self._propose(found)
            if found is None or proposal is not None:
                return proposal
        return None

    def _propose(self, architecture: Architecture) -> Proposal | None:
        """An unseen, feasible architecture, as if the sampler had proposed it.

        None only if another driver was faster.
        """
        decisions = self.space.decisions(architecture)
        assert decisions is not None, "it is in the space"
        trial = self._ask(decisions)
        return self._consider(trial, self.space.suggest(trial))

    def _ask(self, decisions: dict[str, Any] | None) -> optuna.Trial:
        """A trial of the study, with these parameters if they are given."""
        if self.drivers is not None:
            return self.drivers.ask(decisions)
        if decisions is not None:
            self.study.enqueue_trial(decisions)
        return self.study.ask()

    def _event(self) -> int:
        self.events += 1
        return self.events

    def _consider(self, trial: optuna.Trial, architecture: Architecture) -> Proposal | None:
        cost = self.price(architecture)
        broken = tell.set_constraints(trial, self.space, cost)
        trial.set_user_attr("name", str(architecture))
        if broken:
            self.counts.rejected += 1
            tell.tell_untrained(trial, "rejected")
            return None
        key = architecture.id
        if self._repeats(trial, key):
            return None
        decided = {"architecture": architecture.to_json(), "id": key, "cost": asdict(cost)}
        if self.drivers is None:
            for name, value in decided.items():
                trial.set_user_attr(name, value)
        elif (claim := self.drivers.claim(trial, decided, self.trials)) != "ours":
            self.full = claim == "full"
            self.listen()
            if not self._repeats(trial, key):
                tell.tell_untrained(trial, "surplus")
            return None
        self.counts.accepted += 1
        self._running[key] = []
        return Proposal(trial, architecture, cost)

    def _repeats(self, trial: optuna.Trial, key: str) -> bool:
        """Whether the network of a trial is known, or will be: then the trial is dealt with."""
        if key in self._ended:
            tell.tell_duplicate(trial, self._ended[key])
        elif key in self._running:
            self._running[key].append(trial)
        else:
            return False
        self.counts.duplicates += 1
        return True

    def _learn(self, key: str, outcome: Outcome) -> None:
        """A network's outcome is known from now on, to the duplicates that wait for it too."""
        self.counts.end(outcome)
        self._ended[key] = outcome
        for trial in self._running.pop(key, []):
            tell.tell_duplicate(trial, outcome)

    def _values(self, cost: Cost, metrics: Mapping[str, float]) -> list[float]:
        known = asdict(cost) | dict(metrics)
        return [float(known[objective.metric]) for objective in self.space.objectives]

    def _seen(self, architecture: Architecture) -> bool:
        return architecture.id in self._running or architecture.id in self._ended


def propose(
    opened: optuna.Study,
    space: Space,
    price: Price,
    config: SearchConfig,
    others: SharedStudy | None = None,
    initial: Iterable[Architecture] | None = None,
) -> Proposals:
    """Return what the study proposes under a run's settings.

    Args:
        initial: architectures to try first; if not given, those that the settings name.
    """
    if initial is None:
        initial = initial_points(space, config.sampler, parse_enqueued(space, config.enqueue))
    return Proposals(
        opened,
        space,
        price,
        trials=config.trials,
        seed=config.seed,
        first=initial,
        sampled=config.sampler != "grid",
        drivers=others,
    )
