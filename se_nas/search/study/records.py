"""Trials as a study keeps them: the attributes' names, and the values made of them.

Existing studies have these names of attributes: they never change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias

import optuna
from optuna.trial import FrozenTrial, TrialState

from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Cost
from se_nas.search.worker.reports import FAILED, End

# User attributes of a trial.
DRIVER, NAME, ARCHITECTURE, ID, COST = "driver", "name", "architecture", "id", "cost"
ASKED, TOLD, END, OUTCOME, DUPLICATE = "asked", "told", "end", "outcome", "duplicate"
# User attributes of the study; each driver that joined has sessions of its own, under its name.
SESSIONS, EXHAUSTED, SPACE, SETTINGS = "sessions", "exhausted", "space", "settings"
IMAGES = "images"
# A trial's metrics by epoch, where several objectives allow no intermediate values.
EPOCH = "epoch "
# ``END`` of a trial that trains nothing.
Untrained: TypeAlias = Literal["rejected", "repeated", "surplus"]
# The constraint of a network that does not fit into memory.
MEMORY = "memory"


@dataclass(frozen=True)
class Outcome:
    """The end of a trial.

    Attributes:
        end: the reason.
        metrics: the last epoch's, e.g. val_acc in [0, 1]; none if no epoch came to its end.
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


State: TypeAlias = Literal[
    "enqueued",  # waits for an ask: it would answer the next one, whatever that was
    "undecided",  # asked for, and not decided on; or a duplicate that waits for its network
    "rejected",  # breaks a constraint
    "duplicate",  # its network was known
    "surplus",  # another driver was faster
    "running",
    "told_half",  # its outcome is written, but it was not told
    "failed",  # trained, to an end that says nothing of its network
    "ended",  # trained, and its network is known
]


@dataclass(frozen=True)
class Record:
    """A trial as the study has it.

    Attributes:
        state: what became of it so far.
        name: of its architecture; empty until that is known.
        architecture: as JSON; empty if it is not to be trained, or not decided on.
        id: of the network; empty as ``architecture``, or if a driver died in between.
        priced: whether its cost is noted, the last thing of a new proposal to be written.
        outcome: its own, or of a duplicate that of its network.
        asked, told: the numbers of these events; 0 where there was none, or an early version.
    """

    number: int
    state: State
    name: str = ""
    architecture: str = ""
    id: str = ""
    priced: bool = False
    outcome: Outcome | None = None
    asked: int = 0
    told: int = 0

    @classmethod
    def of(cls, trial: FrozenTrial) -> Record:
        """Read a trial of a study."""
        attrs = trial.user_attrs
        return cls(
            trial.number,
            _state(trial),
            name=attrs.get(NAME, ""),
            architecture=attrs.get(ARCHITECTURE, ""),
            id=attrs.get(ID, ""),
            priced=COST in attrs,
            outcome=Outcome(**attrs[OUTCOME]) if OUTCOME in attrs else None,
            asked=attrs.get(ASKED, 0),
            told=attrs.get(TOLD, 0),
        )

    @property
    def trained(self) -> bool:
        """Whether its network was or will be trained."""
        return bool(self.architecture)


def _state(trial: FrozenTrial) -> State:
    attrs = trial.user_attrs
    if trial.state is TrialState.WAITING:
        return "enqueued"
    if ARCHITECTURE in attrs:
        if not trial.state.is_finished():
            return "told_half" if OUTCOME in attrs else "running"
        return "failed" if attrs.get(END) in FAILED else "ended"
    if not trial.state.is_finished():
        return "undecided"
    if attrs.get(END) == "rejected":
        return "rejected"
    return "duplicate" if attrs.get(DUPLICATE) else "surplus"


def records(study: optuna.Study) -> Iterator[Record]:
    """Read all trials of a study, by number."""
    return map(Record.of, study.get_trials(deepcopy=False))


def rejecting_constraints(study: optuna.Study) -> Counter[str]:
    """Return how many of a study's rejected proposals break each constraint."""
    rejected = (trial for trial in study.get_trials(deepcopy=False) if _state(trial) == "rejected")
    return Counter(
        name for trial in rejected for name, violation in trial.constraints.items() if violation > 0
    )


def is_feasible(trial: FrozenTrial) -> bool:
    """Return whether a trial that has ended keeps all constraints, that of memory too."""
    return all(violation <= 0 for violation in trial.constraints.values())


def new_attributes(architecture: Architecture, cost: Cost) -> dict[str, object]:
    """Return the attributes of a trial whose network is going to be trained, as they are written.

    ``Record.priced`` tells whether all of them are.
    """
    return {ARCHITECTURE: architecture.to_json(), ID: architecture.id, COST: asdict(cost)}


@dataclass
class Counts:
    """Counts of the sampler's proposals by what became of them, under all drivers of the study."""

    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    unpreserved: int = 0  # trials with SE blocks that could not start as identities
    ends: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def ended(self) -> int:
        """Trials that were trained, whatever the end."""
        return sum(self.ends.values())

    @property
    def failed(self) -> int:
        """Trials whose end says nothing of their network."""
        return sum(self.ends.get(end, 0) for end in FAILED)

    def end(self, outcome: Outcome) -> None:
        """Count one more trial that ended."""
        self.ends[outcome.end] = self.ends.get(outcome.end, 0) + 1
        self.unpreserved += outcome.metrics.get("unpreserved", 0) > 0

    def skip(self, record: Record) -> None:
        """Count a trial that trained nothing."""
        self.rejected += record.state == "rejected"
        self.duplicates += record.state == "duplicate"
