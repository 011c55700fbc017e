"""A batched journal is read back as Optuna's own: by itself, by other processes, within a batch."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from se_nas.search.study.journal import BatchedJournal, batch


def create(path: Path) -> optuna.Study:
    storage = JournalStorage(BatchedJournal(str(path)))
    return optuna.create_study(study_name="s", storage=storage, sampler=RandomSampler(seed=0))


def reopened(path: Path, own: bool = False) -> list[FrozenTrial]:
    backend = BatchedJournal(str(path)) if own else JournalFileBackend(str(path))
    return optuna.load_study(study_name="s", storage=JournalStorage(backend)).trials


def fill(study: optuna.Study) -> None:
    with batch(study):
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        trial.suggest_categorical("y", ("a", "b"))
        trial.set_user_attr("name", {"a": [1, None]})
        trial.set_constraint("c", -1.0)
    with batch(study):
        trial.report(0.5, 1)
    with batch(study), batch(study):
        study.tell(trial, 0.25)


def test_what_was_written_in_batches_is_what_the_file_says(tmp_path: Path) -> None:
    study = create(tmp_path / "journal")
    for _ in range(3):
        fill(study)
    assert study.trials == reopened(tmp_path / "journal") == reopened(tmp_path / "journal", True)
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 3
    assert study.trials[2].intermediate_values == {1: 0.5}


def test_a_batch_is_one_write(tmp_path: Path) -> None:
    study = create(tmp_path / "journal")
    before = (tmp_path / "journal").read_bytes()
    with batch(study):
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        assert study.trials[0].params == trial.params
        assert (tmp_path / "journal").read_bytes() == before
    assert len(reopened(tmp_path / "journal")[0].params) == 1


def test_writers_in_turn_see_each_other(tmp_path: Path) -> None:
    first = create(tmp_path / "journal")
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal")))
    second = optuna.load_study(study_name="s", storage=storage)
    for _ in range(2):
        fill(first)
        second.tell(second.ask(), 1.0)
        second.tell(second.ask(), 2.0)
    fill(first)
    assert [t.value for t in first.trials] == [0.25, 1.0, 2.0, 0.25, 1.0, 2.0, 0.25]
    assert first.trials == second.trials == reopened(tmp_path / "journal")


def test_what_was_written_before_an_error_is_kept(tmp_path: Path) -> None:
    study = create(tmp_path / "journal")

    def interrupted() -> None:
        with batch(study):
            study.ask()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    fill(study)
    assert [t.state for t in study.trials] == [TrialState.RUNNING, TrialState.COMPLETE]
    assert study.trials == reopened(tmp_path / "journal")
    assert not list(tmp_path.glob("*.lock*"))


def test_other_storages_are_written_as_ever() -> None:
    study = optuna.create_study(storage="sqlite://", study_name="s")
    fill(study)
    assert study.trials[0].value == 0.25
