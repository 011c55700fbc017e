"""What Optuna is told of a trial: its constraints, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import optuna
from optuna.trial import TrialState

from se_nas.cost.network_cost import Cost
from se_nas.search.study.records import FAILED, Outcome
from se_nas.space.space import Space

EXHAUSTED = "exhausted"  # user attribute of the study


def set_constraints(trial: optuna.Trial, space: Space, cost: Cost) -> bool:
    """Note how far a cost is from the space's limits; whether it breaks one."""
    violations = space.violations(asdict(cost))
    for name, violation in violations.items():
        trial.set_constraint(name, violation)
    return any(violation > 0 for violation in violations.values())


def tell_untrained(trial: optuna.Trial, end: str) -> None:
    """A trial that trains nothing, and why."""
    trial.set_user_attr("end", end)
    trial.study.tell(trial, state=TrialState.PRUNED)


def tell_outcome(trial: optuna.Trial, outcome: Outcome, values: Sequence[float] | None) -> None:
    """How a trial ended; ``values`` only if it is complete.

    Running out of memory is a fact about the network, a broken constraint; an error is none.
    """
    trial.set_user_attr("end", outcome.end)
    trial.set_user_attr("outcome", asdict(outcome))
    if outcome.end == "out_of_memory":
        trial.set_constraint("memory", 1.0)
    if values is not None:
        trial.study.tell(trial, values)
    elif outcome.end in FAILED:
        trial.study.tell(trial, state=TrialState.FAIL)
    else:
        trial.study.tell(trial, state=TrialState.PRUNED)


def tell_duplicate(trial: optuna.Trial, outcome: Outcome) -> None:
    """Its network's outcome is noted, but no value: copies of a value draw a sampler to it."""
    trial.set_user_attr("duplicate", True)
    tell_outcome(trial, outcome, None)


def last_event(study: optuna.Study) -> int:
    """The number of the last ask or tell in a study; 0 if it is new."""
    trials = study.get_trials(deepcopy=False)
    events = [t.user_attrs.get(kind, 0) for t in trials for kind in ("asked", "told")]
    found: list[int] = study.user_attrs.get(EXHAUSTED, [])
    return int(max([0, *events, *found]))


def note_exhausted(study: optuna.Study, event: int) -> None:
    """An ask that found nothing: it left trials behind, and a replay must ask it too."""
    study.set_user_attr(EXHAUSTED, [*study.user_attrs.get(EXHAUSTED, []), event])
