"""Tells to Optuna of a trial: its constraints, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import optuna
from optuna.trial import TrialState

from se_nas.cost.network_cost import Cost
from se_nas.search.study.records import (
    DUPLICATE,
    END,
    EXHAUSTED,
    MEMORY,
    OUTCOME,
    Outcome,
    Untrained,
    records,
)
from se_nas.search.worker.reports import FAILED
from se_nas.space.space import Space


def set_constraints(trial: optuna.Trial, space: Space, cost: Cost) -> bool:
    """Note how far a cost is from the space's limits; return whether it breaks one."""
    violations = space.violations(asdict(cost))
    for name, violation in violations.items():
        trial.set_constraint(name, violation)
    return any(violation > 0 for violation in violations.values())


def tell_untrained(trial: optuna.Trial, why: Untrained) -> None:
    """Tell that a trial trains nothing."""
    if why == "repeated":
        trial.set_user_attr(DUPLICATE, True)
    trial.set_user_attr(END, why)
    trial.study.tell(trial, state=TrialState.PRUNED)


def tell_outcome(trial: optuna.Trial, outcome: Outcome, values: Sequence[float] | None) -> None:
    """Tell how a trial ended; ``values`` only if it is complete.

    Running out of memory is a fact about the network, a broken constraint; an error is none.
    """
    trial.set_user_attr(END, outcome.end)
    trial.set_user_attr(OUTCOME, asdict(outcome))
    if outcome.end == "out_of_memory":
        trial.set_constraint(MEMORY, 1.0)
    if values is not None:
        trial.study.tell(trial, values)
    elif outcome.end in FAILED:
        trial.study.tell(trial, state=TrialState.FAIL)
    else:
        trial.study.tell(trial, state=TrialState.PRUNED)


def tell_duplicate(trial: optuna.Trial, outcome: Outcome) -> None:
    """Tell a duplicate its network's outcome, but no value: copies would draw a sampler to it."""
    trial.set_user_attr(DUPLICATE, True)
    tell_outcome(trial, outcome, None)


def last_event(study: optuna.Study) -> int:
    """Return the number of the last ask or tell in a study; 0 if it is new."""
    events = [max(record.asked, record.told) for record in records(study)]
    return max([0, *events, *exhausted_asks(study)])


def exhausted_asks(study: optuna.Study) -> list[int]:
    """Return the events of asks that found nothing."""
    found: list[int] = study.user_attrs.get(EXHAUSTED, [])
    return found


def note_exhausted(study: optuna.Study, event: int) -> None:
    """Note an ask that found nothing: it left trials behind, and a replay must ask it too."""
    study.set_user_attr(EXHAUSTED, [*exhausted_asks(study), event])
