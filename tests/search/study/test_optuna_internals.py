"""What the study uses of Optuna and Optuna does not promise is there."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.trial import TrialState, create_trial

from se_nas.search.study import optuna_internals
from se_nas.search.study.journal import BatchedJournal


@pytest.fixture
def shared(tmp_path: Path) -> optuna.Study:
    return optuna.create_study(storage=f"sqlite:///{tmp_path}/study.db", study_name="big")


def test_a_study_that_others_may_work_on_is_known_by_its_storage(
    shared: optuna.Study, tmp_path: Path
) -> None:
    journal = BatchedJournal(str(tmp_path / "journal"))
    kept = optuna.create_study(storage=JournalStorage(journal))
    memory = optuna.create_study()
    studies = (shared, kept, memory)
    assert [optuna_internals.is_in_database(s) for s in studies] == [True, False, False]
    assert [optuna_internals.journal_of(s) for s in studies] == [None, journal, None]


def test_a_trial_is_taken_up_without_asking_the_first_sampler(shared: optuna.Study) -> None:
    asked = shared.ask()
    asked.suggest_float("x", 0, 1)
    quiet = optuna_internals.with_sampler(shared, RandomSampler(seed=0))
    again = optuna_internals.take_up(quiet, shared.trials[0])
    assert (again.number, again.params) == (asked.number, asked.params)
    again.set_user_attr("name", "a")
    assert shared.trials[0].user_attrs == {"name": "a"}


def test_a_trial_is_started_with_attributes_and_fixed_parameters(shared: optuna.Study) -> None:
    shared.enqueue_trial({"x": 0.25})  # of nobody: it is left where it is
    template = create_trial(
        state=TrialState.RUNNING,
        user_attrs={"driver": "a"},
        system_attrs={"fixed_params": {"x": 0.75}},
    )
    trial = optuna_internals.start_trial(shared, template)
    assert trial.suggest_float("x", 0, 1) == 0.75
    assert shared.trials[trial.number].user_attrs == {"driver": "a"}
    assert shared.trials[trial.number].distributions == {"x": FloatDistribution(0, 1)}
    assert [t.state for t in shared.trials] == [TrialState.WAITING, TrialState.RUNNING]


def test_a_value_is_claimed_once_and_no_more_than_there_may_be(shared: optuna.Study) -> None:
    one, two, three = shared.ask(), shared.ask(), shared.ask()
    a, b = {"id": "a", "cost": {"params": 1}}, {"id": "b", "cost": {}}
    assert optuna_internals.claim(one, a, "id", most=2) == "ours"
    assert shared.trials[one.number].user_attrs == a
    assert optuna_internals.claim(two, a, "id", most=2) == "taken"
    assert optuna_internals.claim(two, b, "id", most=2) == "ours"
    assert optuna_internals.claim(three, {"id": "c"}, "id", most=2) == "full"
    assert shared.trials[three.number].user_attrs == {}
    shared.tell(one, state=TrialState.FAIL)
    assert optuna_internals.claim(three, a, "id", most=3) == "ours", "what failed keeps nothing"
