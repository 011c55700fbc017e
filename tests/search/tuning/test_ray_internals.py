"""What the search uses of Tune and Tune does not promise is there."""

from __future__ import annotations

from typing import Any

import pytest
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import Searcher

from se_nas.search.tuning import ray_internals


class Loop:
    """What a scheduler sees of Tune's loop."""

    def __init__(self) -> None:
        self.trained: list[object] = []

    def get_live_trials(self) -> set[object]:
        return {"a", "b"}

    def _schedule_trial_train(self, trial: object) -> None:
        self.trained.append(trial)


@pytest.mark.parametrize("name", ["_schedule_trial_train", "get_live_trials"])
def test_tunes_loop_has_what_a_scheduler_calls(name: str) -> None:
    assert callable(getattr(TuneController, name))


def test_a_trial_that_waits_is_let_go() -> None:
    loop = Loop()
    ray_internals.train(loop, "a")
    assert loop.trained == ["a"]
    assert ray_internals.count_live(loop) == 2


def test_the_failures_that_tune_counts_can_be_set() -> None:
    trial = Trial("SETrial", stub=True)
    assert trial.num_failures == 0
    ray_internals.set_failures(trial, 3)
    assert trial.num_failures == 3


def test_a_searcher_has_a_word_for_being_done() -> None:
    assert ray_internals.finished() == Searcher.FINISHED
    assert ray_internals.finished() is not None, "Tune would ask again"


def test_asha_looks_at_nothing_of_a_trial_but_its_id() -> None:
    class OnlyId:
        trial_id = "7"

    trial: Any = OnlyId()
    controller: Any = None
    asha = ASHAScheduler(time_attr="epoch", metric="val_acc", mode="max", max_t=4)
    asha.on_trial_add(controller, trial)
    assert asha.on_trial_result(controller, trial, {"epoch": 1, "val_acc": 0.5}) == "CONTINUE"
    asha.on_trial_complete(controller, trial, {"epoch": 2, "val_acc": 0.5})
    asha.on_trial_add(controller, trial)
    asha.on_trial_remove(controller, trial)
