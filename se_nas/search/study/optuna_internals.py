"""Optuna's internals that a study relies on: to be checked at each upgrade of Optuna."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal, TypeAlias

import optuna
import sqlalchemy as sql
from optuna.samplers import BaseSampler
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.storages._rdb import models
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState

Claim: TypeAlias = Literal["ours", "taken", "full"]
# PostgreSQL waits so long for a driver that vanished within a claim; then the others go on.
CLAIM_MS = 30_000


def is_in_database(study: optuna.Study) -> bool:
    """Return whether other processes may work on a study: a database, not a journal or memory."""
    return isinstance(study._storage, _CachedStorage)


def journal_of(study: optuna.Study) -> BaseJournalBackend | None:
    """Return the journal that a study is kept in, if it is."""
    storage = study._storage
    return storage._backend if isinstance(storage, JournalStorage) else None


def with_sampler(study: optuna.Study, sampler: BaseSampler) -> optuna.Study:
    """Return the same study with another sampler."""
    return optuna.load_study(study_name=study.study_name, storage=study._storage, sampler=sampler)


def take_up(study: optuna.Study, trial: FrozenTrial) -> optuna.Trial:
    """Return a trial of a study to go on with; the study's sampler is asked as it is made."""
    return optuna.Trial(study, trial._trial_id)


def start_trial(study: optuna.Study, template: FrozenTrial) -> optuna.Trial:
    """Ask a study for a trial like a template, which has a running trial's state.

    ``Study.ask`` has no room for attributes, and takes up what waits in the study.
    """
    study._thread_local.cached_all_trials = None  # as ``ask`` does
    number = study._storage.create_new_trial(study._study_id, template)
    return optuna.Trial(study, number)


def claim(trial: optuna.Trial, attributes: Mapping[str, object], key: str, most: int) -> Claim:
    """Write attributes into a trial, unless another trial of the study has the same ``key``.

    It is one transaction, of one driver at a time; a failed trial does not count as another.

    Args:
        key: of the attribute that is compared.
        most: trials that may have the attribute at all, those that failed too.
    """
    study, value = trial.study._study_id, json.dumps(attributes[key])
    t, attr = models.TrialModel, models.TrialUserAttributeModel
    others = (
        sql.select(sql.func.count())
        .join_from(t, attr)
        .where(t.study_id == study, attr.key == key, t.trial_id != trial._trial_id)
    )
    with _engine(trial.study).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(
                sql.text(f"SET LOCAL idle_in_transaction_session_timeout = {CLAIM_MS}")
            )
        # Changes nothing, but locks: the study's row, and in SQLite the file.
        row = sql.update(models.StudyModel).where(models.StudyModel.study_id == study)
        connection.execute(row.values(study_name=models.StudyModel.study_name))
        same = others.where(attr.value_json == value, t.state != TrialState.FAIL)
        if connection.scalar(same):
            return "taken"
        if (connection.scalar(others) or 0) >= most:
            return "full"
        mine = attr.trial_id == trial._trial_id
        connection.execute(sql.delete(attr).where(mine, attr.key.in_(attributes)))
        rows = [
            {"trial_id": trial._trial_id, "key": name, "value_json": json.dumps(content)}
            for name, content in attributes.items()
        ]
        connection.execute(sql.insert(attr), rows)
    return "ours"


def _engine(study: optuna.Study) -> sql.Engine:
    storage = study._storage
    backend = storage._backend if isinstance(storage, _CachedStorage) else storage
    assert isinstance(backend, RDBStorage), "a journal has one driver"
    return backend.engine
