"""The sampler's proposals, each checked before anything trains.

    rejected    a constraint on its cost is broken: told as infeasible, by arithmetic alone
    duplicate   its network is known: its outcome is noted, now or when it is known, and no value
    accepted    trained, and told what happened

This file knows Optuna but not Ray.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict

import optuna
from optuna.trial import FrozenTrial

from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Cost, Price
from se_nas.search.study import tell
from se_nas.search.study.drivers import Drivers, OneDriver
from se_nas.search.study.journal import batch
from se_nas.search.study.known_networks import KnownNetworks
from se_nas.search.study.random_draws import draw_unseen
from se_nas.search.study.ranking import objective_values
from se_nas.search.study.records import (
    ASKED,
    EPOCH,
    NAME,
    TOLD,
    Counts,
    Outcome,
    Proposal,
    Record,
    new_attributes,
)
from se_nas.space.space import Space

# After so many proposals in a row that need no training, look for an unseen architecture at random.
MAX_REPEATS = 20


class Proposals:
    """Architectures worth training, asked of a study, and their outcomes, told to it.

    Args:
        study: an Optuna study whose directions are the space's objectives.
        price: the cost of an architecture on the search's data.
        trials: how many distinct architectures to accept, all drivers of the study together.
        seed: of the random draws that stand in for a sampler that repeats itself.
        initial: architectures to try before the sampler is asked, in this order.
        sampled: ask the sampler after them; else they are all that is tried.
        drivers: of a study that others may work on; if not given, there is one.

    Attributes:
        counts: all proposals so far, by what became of them.
        exhausted: no further architecture was found, though the budget is not spent.
        budget_spent: the study has all its trials, as another driver's claim showed.
        running_elsewhere: trials that other drivers train, by number.
        seconds, whole_seconds: of trials that ended, and of those that had all their epochs.
        closes: asked before each proposal whether the search has no more time for one.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: Space,
        price: Price,
        *,
        trials: int,
        seed: int = 0,
        initial: Iterable[Architecture] = (),
        sampled: bool = True,
        drivers: Drivers | None = None,
    ) -> None:
        self.study, self.space, self.price, self.trials = study, space, price, trials
        self.drivers: Drivers = OneDriver(study) if drivers is None else drivers
        self.initial, self.sampled = iter(initial), sampled
        self.counts = Counts()
        self.exhausted = self.budget_spent = False
        self.running_elsewhere: dict[int, FrozenTrial] = {}
        self.seconds: list[float] = []
        self.whole_seconds: list[float] = []
        self.closes: Callable[[], bool] = lambda: False
        # The number of asks and tells so far; a replay needs their order.
        self._events = tell.last_event(study)
        self._unfinished: list[Proposal] = []  # they go on first
        self._random = random.Random(seed)
        self._known = KnownNetworks()
        self._curves: dict[int, dict[int, float]] = {}  # trial number → value by epoch

    @property
    def unfinished(self) -> tuple[Proposal, ...]:
        """Proposals that began and did not end: the next ``ask`` returns the first of them."""
        return tuple(self._unfinished)

    @property
    def open(self) -> bool:
        """Whether there is anything left to train."""
        return bool(self._unfinished) or not (self.exhausted or self._enough)

    def ask(self) -> Proposal | None:
        """Return the next architecture to train; None when there is none left."""
        if self._unfinished:
            return self._unfinished.pop(0)
        if self.open and self.closes():
            self.trials = self.counts.accepted
        if not self.open:
            return None
        self.sync()
        with batch(self.study):
            proposal = self._next()
            if proposal is not None:
                proposal.trial.set_user_attr(ASKED, self._event())
            elif not self._enough:
                self.exhausted = True
                tell.note_exhausted(self.study, self._event())
            return proposal

    def retry(self, proposal: Proposal) -> None:
        """Put a proposal whose training did not end before all others."""
        self._unfinished.insert(0, proposal)

    def take_unfinished(self) -> list[Proposal]:
        """Return the unfinished proposals and forget them."""
        taken, self._unfinished = self._unfinished, []
        return taken

    def sync(self) -> None:
        """Take in what other drivers did since the last call."""
        for trial in self.drivers.changed_trials():
            record = Record.of(trial)
            if not record.trained:
                self.counts.skip(record)
                continue
            self.counts.accepted += trial.number not in self.running_elsewhere
            if trial.state.is_finished():
                self.running_elsewhere.pop(trial.number, None)
                assert record.outcome is not None, "it is written before the end"
                self._record_outcome(record.id, record.outcome)
            else:
                self.running_elsewhere[trial.number] = trial
                self._known.begin(record.id)

    def report(self, proposal: Proposal, epoch: int, metrics: Mapping[str, float]) -> None:
        """Tell an epoch's validation metrics; the study keeps them as intermediate values."""
        if len(self.space.objectives) > 1:
            self._report_all(proposal, epoch, metrics)
            return
        value = self._values(proposal.cost, metrics)[0]
        curve = self._curves.setdefault(proposal.number, {})
        # A trial whose worker died begins again: what it reports again is known.
        if math.isfinite(value) and epoch not in curve:
            curve[epoch] = value
            with batch(self.study):
                proposal.trial.report(value, epoch)

    def _report_all(self, proposal: Proposal, epoch: int, metrics: Mapping[str, float]) -> None:
        """Note metrics that are objectives: Optuna has intermediate values for one alone."""
        wanted = {o.metric for o in self.space.objectives}
        known = {name: value for name, value in metrics.items() if name in wanted}
        if known and f"{EPOCH}{epoch}" not in proposal.trial.user_attrs:
            with batch(self.study):
                proposal.trial.set_user_attr(f"{EPOCH}{epoch}", known)

    def tell(self, proposal: Proposal, outcome: Outcome) -> None:
        """Tell how a trial ended; duplicates that wait for it end with it."""
        self._curves.pop(proposal.number, None)
        complete = outcome.end == "complete"
        values = self._values(proposal.cost, outcome.metrics) if complete else None
        with batch(self.study):
            proposal.trial.set_user_attr(TOLD, self._event())
            tell.tell_outcome(proposal.trial, outcome, values)
            self._record_outcome(proposal.architecture.id, outcome)

    def restore_untrained(self, record: Record) -> None:
        """Count a trial of an earlier driver that trained nothing."""
        self.counts.skip(record)

    def restore_ended(self, record: Record) -> None:
        """Record the network of a trial that ended under an earlier driver."""
        assert record.outcome is not None, "it is written before the end"
        self.counts.accepted += 1
        self._record_outcome(record.id, record.outcome)

    def restore_running(self, proposal: Proposal, curve: Mapping[int, float]) -> None:
        """Take up a trial that did not end under an earlier driver: the next ``ask`` returns it."""
        self._restore(proposal, curve)
        self._unfinished.append(proposal)

    def restore_told_half(
        self, proposal: Proposal, curve: Mapping[int, float], outcome: Outcome
    ) -> None:
        """Tell the outcome that an earlier driver wrote and did not tell."""
        self._restore(proposal, curve)
        self.tell(proposal, outcome)

    def restore_undecided(self, trial: optuna.Trial) -> None:
        """Decide on a trial that an earlier driver had asked for."""
        proposal = self._consider(trial, self.space.suggest(trial))
        if proposal is not None:
            self._unfinished.append(proposal)

    def release_duplicates(self) -> None:
        """End duplicates that wait for trials of other drivers: their outcomes come too late."""
        for trial in self.running_elsewhere.values():
            self._known.release(Record.of(trial).id)

    @property
    def _enough(self) -> bool:
        return self.budget_spent or self.counts.accepted >= self.trials

    def _restore(self, proposal: Proposal, curve: Mapping[int, float]) -> None:
        self.counts.accepted += 1
        self._known.begin(proposal.architecture.id)
        self._curves[proposal.number] = dict(curve)

    def _next(self) -> Proposal | None:
        for architecture in self.initial:
            if self._enough:
                return None
            if not self._seen(architecture) and self.space.admits(self.price(architecture)):
                proposal = self._propose(architecture)
                if proposal is not None:
                    return proposal
        for _ in range(MAX_REPEATS if self.sampled else 0):
            if self._enough:
                return None
            trial = self.drivers.ask()
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
        """Propose an unseen, feasible architecture, as if the sampler had.

        None only if another driver was faster.
        """
        decisions = self.space.decisions(architecture)
        assert decisions is not None, "it is in the space"
        trial = self.drivers.ask(decisions)
        return self._consider(trial, self.space.suggest(trial))

    def _event(self) -> int:
        self._events += 1
        return self._events

    def _consider(self, trial: optuna.Trial, architecture: Architecture) -> Proposal | None:
        cost = self.price(architecture)
        broken = tell.set_constraints(trial, self.space, cost)
        trial.set_user_attr(NAME, str(architecture))
        if broken:
            self.counts.rejected += 1
            tell.tell_untrained(trial, "rejected")
            return None
        key = architecture.id
        if self._handle_duplicate(trial, key):
            return None
        claim = self.drivers.claim(trial, new_attributes(architecture, cost), self.trials)
        if claim != "ours":
            self.budget_spent = claim == "full"
            self.sync()
            if not self._handle_duplicate(trial, key):
                tell.tell_untrained(trial, "surplus")
            return None
        self.counts.accepted += 1
        self._known.begin(key)
        return Proposal(trial, architecture, cost)

    def _handle_duplicate(self, trial: optuna.Trial, key: str) -> bool:
        """Answer a trial whose network is known; return False if it is not."""
        if key not in self._known:
            return False
        self._known.answer(trial, key)
        self.counts.duplicates += 1
        return True

    def _record_outcome(self, key: str, outcome: Outcome) -> None:
        """Record a network's outcome; the duplicates that wait for it end with it."""
        self.counts.end(outcome)
        if outcome.end in ("complete", "stopped_early"):
            self.seconds.append(outcome.seconds)
        if outcome.end == "complete":
            self.whole_seconds.append(outcome.seconds)
        self._known.end(key, outcome)

    def _values(self, cost: Cost, metrics: Mapping[str, float]) -> list[float]:
        return objective_values(self.space, asdict(cost), metrics)

    def _seen(self, architecture: Architecture) -> bool:
        return architecture.id in self._known
