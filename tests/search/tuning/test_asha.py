"""ASHA after a restart stops the trials that it would have stopped without one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from ray.tune.schedulers import ASHAScheduler

from se_nas.search.study.ranking import trained_curves
from se_nas.search.tuning.asha import ResumableASHA

SETTINGS = {"metric": "val_acc", "mode": "max", "max_t": 8, "grace_period": 4}


def study() -> optuna.Study:
    return optuna.create_study(direction="maximize")


def rungs(told: optuna.Study) -> ResumableASHA:
    return ResumableASHA(trained_curves(told), **SETTINGS)  # type: ignore[arg-type]


def trial(number: int) -> Any:
    return SimpleNamespace(trial_id=f"t{number}", config={"number": number})


def step(scheduler: Any, trial: Any, epoch: int, value: float) -> str:
    return str(scheduler.on_trial_result(None, trial, {"epoch": epoch, "val_acc": value}))


def run(told: optuna.Study, values: dict[int, float], state: TrialState | None) -> None:
    """A trial that an earlier driver trained."""
    asked = told.ask()
    asked.set_user_attr("architecture", "{}")
    for epoch, value in values.items():
        asked.report(value, epoch)
    if state is not None:
        told.tell(asked, values[max(values)] if state is TrialState.COMPLETE else None, state)


@pytest.mark.parametrize(("value", "action"), [(0.35, "STOP"), (0.6, "CONTINUE")])
def test_ended_trials_count_as_they_did(value: float, action: str) -> None:
    told = study()
    run(told, {4: 0.5, 8: 0.9}, TrialState.COMPLETE)
    run(told, {4: 0.3}, TrialState.PRUNED)
    scheduler = rungs(told)
    scheduler.on_trial_add(None, trial(2))
    assert step(scheduler, trial(2), 4, value) == action

    never_cut = ASHAScheduler(time_attr="epoch", reduction_factor=2, **SETTINGS)
    for number, first in enumerate((0.5, 0.3, value)):
        never_cut.on_trial_add(None, trial(number))
        last = step(never_cut, trial(number), 4, first)
    assert last == action


def test_a_trial_that_passed_a_rung_is_not_judged_there_again() -> None:
    told = study()
    run(told, {4: 0.5, 8: 0.9}, TrialState.COMPLETE)
    run(told, {3: 0.1, 4: 0.55}, None)
    scheduler = rungs(told)
    scheduler.on_trial_add(None, trial(1))
    assert step(scheduler, trial(1), 5, 0.2) == "CONTINUE"
    assert step(scheduler, trial(1), 8, 0.95) == "STOP"  # its budget is spent


@pytest.mark.parametrize("by_an_earlier_driver", [True, False])
def test_a_trial_that_comes_again_under_another_id_counts_once(by_an_earlier_driver: bool) -> None:
    told = study()
    if by_an_earlier_driver:
        run(told, {4: 0.9}, None)
    scheduler = rungs(told)
    first, again, other = trial(0), trial(0), trial(1)
    again.trial_id = "another"
    if not by_an_earlier_driver:
        scheduler.on_trial_add(None, first)
        step(scheduler, first, 4, 0.9)
    scheduler.on_trial_add(None, again)
    assert step(scheduler, again, 4, 0.9) == "CONTINUE"
    scheduler.on_trial_add(None, other)
    assert step(scheduler, other, 4, 0.5) == "STOP"
    scheduler.on_trial_add(None, trial(2))
    # The median of 0.9 and 0.5, not of 0.9, 0.9 and 0.5.
    assert step(scheduler, trial(2), 4, 0.75) == "CONTINUE"


def test_repeated_and_rejected_proposals_are_no_trials() -> None:
    told = study()
    asked = told.ask()
    asked.report(0.9, 4)
    told.tell(asked, 0.9)
    scheduler = rungs(told)
    scheduler.on_trial_add(None, trial(1))
    assert step(scheduler, trial(1), 4, 0.1) == "CONTINUE"
