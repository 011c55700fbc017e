"""The first wave waits for its workers, for a bounded time, and no starting worker is given up."""

from __future__ import annotations

from typing import Any

import pytest
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from se_nas.search.tuning.start_barrier import START_TIMEOUT_S, StartBarrier
from se_nas.search.worker.reports import READY, ready_first

TRAINED = {"epoch": 1, "val_acc": 0.5}


class Controller:
    """What Tune's controller is to a scheduler."""

    def __init__(self, trials: int) -> None:
        self.trials = [f"trial {i}" for i in range(trials)]
        self.training: list[str] = []

    def get_live_trials(self) -> list[str]:
        return self.trials

    def get_trials(self) -> list[str]:
        raise AssertionError("the oldest waiting trial is not for a free worker")

    def _schedule_trial_train(self, trial: str) -> None:
        self.training.append(trial)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def wave(clock: Clock, trials: int = 3) -> tuple[StartBarrier, Controller]:
    inner: Any = FIFOScheduler
    scheduler, controller = StartBarrier(inner(), clock=clock), Controller(trials)
    for trial in controller.trials:
        scheduler.on_trial_add(controller, trial)
    return scheduler, controller


def test_trials_train_when_the_last_worker_is_up(clock: Clock) -> None:
    scheduler, controller = wave(clock)
    for trial in controller.trials:
        scheduler.choose_trial_to_run(controller)
        assert controller.training == []
        assert scheduler.on_trial_result(controller, trial, dict(READY)) == TrialScheduler.NOOP
    scheduler.choose_trial_to_run(controller)
    scheduler.choose_trial_to_run(controller)
    assert controller.training == controller.trials
    assert not scheduler.wave


def test_after_that_a_fresh_worker_trains_at_once(clock: Clock) -> None:
    scheduler, controller = wave(clock, 1)
    scheduler.on_trial_result(controller, "trial 0", dict(READY))
    scheduler.choose_trial_to_run(controller)
    told = scheduler.on_trial_result(controller, "late", dict(READY))
    assert told == TrialScheduler.CONTINUE
    assert scheduler.on_trial_result(controller, "late", TRAINED) == TrialScheduler.CONTINUE


def test_the_wait_ends_when_no_further_worker_comes_up(clock: Clock) -> None:
    scheduler, controller = wave(clock)
    clock.now = 10 * START_TIMEOUT_S
    scheduler.choose_trial_to_run(controller)  # none is up: nothing to let go
    scheduler.on_trial_result(controller, "trial 0", dict(READY))
    clock.now += START_TIMEOUT_S - 1
    scheduler.on_trial_result(controller, "trial 2", dict(READY))
    clock.now += START_TIMEOUT_S - 1
    scheduler.choose_trial_to_run(controller)
    assert controller.training == []
    clock.now += 2
    scheduler.choose_trial_to_run(controller)
    assert controller.training == ["trial 0", "trial 2"]


def test_a_worker_that_dies_while_it_waits_is_not_let_go(clock: Clock) -> None:
    scheduler, controller = wave(clock)
    for trial in controller.trials[:2]:
        scheduler.on_trial_result(controller, trial, dict(READY))
    scheduler.on_trial_error(controller, "trial 0")
    scheduler.on_trial_result(controller, "trial 2", dict(READY))
    scheduler.choose_trial_to_run(controller)
    assert controller.training == []
    scheduler.on_trial_result(controller, "trial 0", dict(READY))  # its next worker
    scheduler.choose_trial_to_run(controller)
    assert sorted(controller.training) == controller.trials


def test_what_the_scheduler_behind_it_decides_counts(clock: Clock) -> None:
    class Stops(TrialScheduler):
        _metric = "val_acc"

        def on_trial_add(self, *_: Any) -> None: ...

        def on_trial_result(self, *_: Any) -> str:
            return str(TrialScheduler.STOP)

    stops: Any = Stops
    scheduler = StartBarrier(stops(), clock=clock)
    assert scheduler.metric == "val_acc"
    assert scheduler.on_trial_result(Controller(1), "trial 0", TRAINED) == TrialScheduler.STOP


def test_a_process_is_ready_once() -> None:
    class Trainable:
        @ready_first
        def step(self) -> dict[str, Any]:
            return dict(TRAINED)

    trainable = Trainable()
    assert [trainable.step() for _ in range(3)] == [READY, TRAINED, TRAINED]
    assert Trainable().step() == READY
