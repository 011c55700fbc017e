"""Between the sampler and the trainer: every proposal is checked before anything trains.

    rejected    a constraint on its cost is broken: told as infeasible, by arithmetic alone
    duplicate   its network is known: its outcome is noted, now or when it is known, and no value
    accepted    trained, and told what happened

This file knows Optuna but not Ray.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias

import optuna
from optuna.trial import TrialState

from se_nas.arch import Architecture
from se_nas.cost import Cost
from se_nas.search.journal import batch
from se_nas.space import Space

End: TypeAlias = Literal[
    "complete", "stopped_early", "not_finite", "out_of_memory", "infeasible", "error", "lost"
]

# After so many proposals in a row that need no training, look for an unseen architecture at random.
PATIENCE = 20
RANDOM_DRAWS = 20_000


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        end: the reason.
        metrics: the last epoch's, e.g. val_acc in [0, 1]; with measured costs such as latency_ms.
        epochs: epochs trained.
        seconds: wall time.
        worker: host and process that trained it.
        reason: in words, where ``end`` does not say it all.
        seed: of its weights and batches.
        curve: metrics of every epoch, from the first.
    """

    end: End
    metrics: Mapping[str, float]
    epochs: int = 0
    seconds: float = 0.0
    worker: str = ""
    reason: str = ""
    seed: int = 0
    curve: Sequence[Mapping[str, float]] = ()


@dataclass(frozen=True)
class Proposal:
    """An architecture to train, and the Optuna trial that it answers."""

    trial: optuna.Trial
    architecture: Architecture
    cost: Cost

    @property
    def number(self) -> int:
        return self.trial.number


@dataclass
class Counts:
    """What became of the sampler's proposals so far."""

    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    unpreserved: int = 0  # trials with SE blocks that could not start as identities
    ends: dict[str, int] = field(default_factory=dict[str, int])


class Proposals:
    """Asks the study for architectures worth training, and tells it what became of them.

    Args:
        study: an Optuna study whose directions are the space's objectives.
        price: the cost of an architecture on the search's data.
        trials: how many distinct architectures to accept.
        seed: of the random draws that stand in for a sampler that repeats itself.
        first: architectures to try before the sampler is asked, in this order.
        sampled: ask the sampler after them; else they are all that is tried.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: Space,
        price: Callable[[Architecture], Cost],
        *,
        trials: int,
        seed: int = 0,
        first: Iterable[Architecture] = (),
        sampled: bool = True,
    ) -> None:
        self.study, self.space, self.price, self.trials = study, space, price, trials
        self.counts = Counts()
        self.first, self.sampled = iter(first), sampled
        self.events = last_event(study)  # asks and tells so far: their order is what a replay needs
        self.exhausted = False
        self.unfinished: list[Proposal] = []  # of an earlier driver: they go on first
        self._random = random.Random(seed)
        self._running: dict[str, list[optuna.Trial]] = {}  # id → duplicates that wait for it
        self._ended: dict[str, Outcome] = {}
        self._curves: dict[int, dict[int, float]] = {}  # trial number → value by epoch

    def ask(self) -> Proposal | None:
        """The next architecture to train; None when there is none left."""
        if self.unfinished:
            return self.unfinished.pop(0)
        if self.exhausted or self.counts.accepted >= self.trials:
            return None
        with batch(self.study):
            proposal = self._next()
            if proposal is None:
                self.exhausted = True
            else:
                proposal.trial.set_user_attr("asked", self._event())
            return proposal

    def _next(self) -> Proposal | None:
        for architecture in self.first:
            if not self._seen(architecture) and feasible(self.space, self.price(architecture)):
                return self._propose(architecture)
        for _ in range(PATIENCE if self.sampled else 0):
            trial = self.study.ask()
            proposal = self._consider(trial, self.space.suggest(trial))
            if proposal is not None:
                return proposal
        unseen = self._unseen() if self.sampled else None
        return None if unseen is None else self._propose(unseen)

    def _propose(self, architecture: Architecture) -> Proposal:
        """An unseen, feasible architecture, as if the sampler had proposed it."""
        decisions = self.space.decisions(architecture)
        assert decisions is not None, "it is in the space"
        self.study.enqueue_trial(decisions)
        trial = self.study.ask()
        proposal = self._consider(trial, self.space.suggest(trial))
        assert proposal is not None, "an enqueued trial suggests what was enqueued"
        return proposal

    def _event(self) -> int:
        self.events += 1
        return self.events

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
        self.counts.ends[outcome.end] = self.counts.ends.get(outcome.end, 0) + 1
        self.counts.unpreserved += outcome.metrics.get("unpreserved", 0) > 0
        with batch(self.study):
            proposal.trial.set_user_attr("told", self._event())
            self._finish(proposal.trial, proposal.cost, outcome)
            waiting = self._running.pop(proposal.architecture.id, [])
            self._ended[proposal.architecture.id] = outcome
            for trial in waiting:
                self._repeat(trial, proposal.cost, outcome)

    def remember(self, architecture_id: str, outcome: Outcome) -> None:
        """A trial that ended under an earlier driver: its network is known."""
        self.counts.accepted += 1
        self.counts.ends[outcome.end] = self.counts.ends.get(outcome.end, 0) + 1
        self.counts.unpreserved += outcome.metrics.get("unpreserved", 0) > 0
        self._ended[architecture_id] = outcome

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

    def curves(self) -> dict[int, dict[int, float]]:
        """By trial number, the values by epoch of those that are running."""
        return {number: dict(curve) for number, curve in self._curves.items()}

    def _consider(self, trial: optuna.Trial, architecture: Architecture) -> Proposal | None:
        cost = self.price(architecture)
        broken = self._constrain(trial, asdict(cost))
        trial.set_user_attr("name", str(architecture))
        if broken:
            self.counts.rejected += 1
            trial.set_user_attr("end", "rejected")
            self.study.tell(trial, state=TrialState.PRUNED)
            return None
        key = architecture.id
        if key in self._ended:
            self.counts.duplicates += 1
            self._repeat(trial, cost, self._ended[key])
            return None
        if key in self._running:
            self.counts.duplicates += 1
            self._running[key].append(trial)
            return None
        self.counts.accepted += 1
        self._running[key] = []
        trial.set_user_attr("architecture", architecture.to_json())
        trial.set_user_attr("id", key)
        trial.set_user_attr("cost", asdict(cost))
        return Proposal(trial, architecture, cost)

    def _repeat(self, trial: optuna.Trial, cost: Cost, outcome: Outcome) -> None:
        """Its network's outcome is noted, but no value: copies of a value draw a sampler to it."""
        trial.set_user_attr("duplicate", True)
        self._finish(trial, cost, outcome, with_value=False)

    def _finish(
        self, trial: optuna.Trial, cost: Cost, outcome: Outcome, with_value: bool = True
    ) -> None:
        trial.set_user_attr("end", outcome.end)
        trial.set_user_attr("outcome", asdict(outcome))
        measured = {k: v for k, v in outcome.metrics.items() if k not in asdict(cost)}
        self._constrain(trial, measured)
        if outcome.end == "out_of_memory":
            trial.set_constraint("memory", 1.0)
        if outcome.end == "complete" and with_value:
            self.study.tell(trial, self._values(cost, outcome.metrics))
        elif outcome.end in ("error", "lost"):
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self.study.tell(trial, state=TrialState.PRUNED)

    def _constrain(self, trial: optuna.Trial, values: Mapping[str, float]) -> bool:
        violations = self.space.violations(values)
        for name, violation in violations.items():
            trial.set_constraint(name, violation)
        return any(violation > 0 for violation in violations.values())

    def _values(self, cost: Cost, metrics: Mapping[str, float]) -> list[float]:
        known = asdict(cost) | dict(metrics)
        return [float(known[objective.metric]) for objective in self.space.objectives]

    def _unseen(self) -> Architecture | None:
        """A feasible architecture that was not trained yet, drawn at random; None if none is left.

        Small spaces are listed, so None is certain there; in large ones the number of draws is
        bounded.
        """
        for architecture in draws(self.space, self._random, RANDOM_DRAWS):
            if not self._seen(architecture) and feasible(self.space, self.price(architecture)):
                return architecture
        return None

    def _seen(self, architecture: Architecture) -> bool:
        return architecture.id in self._running or architecture.id in self._ended


def last_event(study: optuna.Study) -> int:
    """The number of the last ask or tell in a study; 0 if it is new."""
    trials = study.get_trials(deepcopy=False)
    return max((t.user_attrs.get(k, 0) for t in trials for k in ("asked", "told")), default=0)


def draws(space: Space, rng: random.Random, count: int) -> Iterator[Architecture]:
    """Random architectures: every one of a small space once, else ``count`` draws."""
    if space.size <= count:
        every = list(space)
        rng.shuffle(every)
        yield from every
    else:
        for _ in range(count):
            yield space.sample(rng)


def feasible(space: Space, cost: Cost) -> bool:
    """Whether a cost keeps the space's constraints (those known without measuring)."""
    return all(violation <= 0 for violation in space.violations(asdict(cost)).values())
