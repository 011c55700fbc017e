"""Many drivers on one study in a database: who has which trial, and what the others did.

A driver asks for trials that bear its name from their first moment. Before it trains one, it claims
the network: one transaction, one driver at a time, looks whether the network is taken and whether
the study has all its trials, and else notes the network in the trial. So no network is trained
twice and no trial too many, however the drivers are interleaved, and nothing is held that a driver
which dies would have to give back.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Literal, TypeAlias

import optuna
import sqlalchemy as sql
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState, create_trial

from se_nas.search.config import SearchConfig
from se_nas.search.run_dir.compatibility import shared_settings
from se_nas.search.run_dir.directory import DRIVER, Driver, RunDirectory
from se_nas.space.space import Space

Claim: TypeAlias = Literal["ours", "taken", "full"]
# What PostgreSQL waits for a driver that vanished within a claim before it lets the others go on.
CLAIM_MS = 30_000


class SharedStudy:
    """One driver's view of a study that others may work on.

    Args:
        study: in a database.
        own: this driver's name in the study.
        began: the one that began the study; trials of versions that knew one driver only are its.
    """

    def __init__(self, study: optuna.Study, own: str, began: str) -> None:
        self.study, self.own, self.began = study, own, began
        self.forgotten = 0  # failed trials that do not count as trained
        self._known: set[int] = set()  # trials that have no more news

    def ask(self, decisions: Mapping[str, object] | None = None) -> optuna.Trial:
        """``study.ask`` for a trial of this driver, with fixed parameters if they are given.

        Not by ``enqueue_trial``: any driver would take up what waits in the study.
        """
        fixed = {} if decisions is None else {"fixed_params": dict(decisions)}
        template = create_trial(
            state=TrialState.RUNNING, user_attrs={"driver": self.own}, system_attrs=fixed
        )
        self.study._thread_local.cached_all_trials = None  # as ``ask`` does
        number = self.study._storage.create_new_trial(self.study._study_id, template)
        return optuna.Trial(self.study, number)

    def whose(self, trial: FrozenTrial) -> str:
        """The name of the driver that has a trial."""
        return str(trial.user_attrs.get("driver", self.began))

    def owns(self, trial: FrozenTrial) -> bool:
        return self.whose(trial) == self.own

    def forget_failed(self) -> None:
        """Failed trials of before do not count: what made them fail may be mended by now."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.FAIL,)):
            self._known.add(trial.number)
            self.forgotten += "id" in trial.user_attrs

    def news(self) -> Iterator[FrozenTrial]:
        """Trials of other drivers: each that ended since the last call, all that train now."""
        for trial in self.study.get_trials(deepcopy=False):
            if trial.number in self._known:
                continue
            if trial.state.is_finished():
                self._known.add(trial.number)
            if not self.owns(trial) and (trial.state.is_finished() or "id" in trial.user_attrs):
                yield trial

    def claim(self, trial: optuna.Trial, decided: Mapping[str, Any], trials: int) -> Claim:
        """Note in a trial what is to be trained, if that is nobody's and there is room for it.

        Args:
            decided: user attributes to write; ``id`` is the network.
            trials: that the study may have, failed ones that are forgotten aside.
        """
        study, key = self.study._study_id, json.dumps(decided["id"])
        t, attr = models.TrialModel, models.TrialUserAttributeModel
        trained = (
            sql.select(sql.func.count())
            .join_from(t, attr)
            .where(t.study_id == study, attr.key == "id", t.trial_id != trial._trial_id)
        )
        with _engine(self.study).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(
                    sql.text(f"SET LOCAL idle_in_transaction_session_timeout = {CLAIM_MS}")
                )
            # Changes nothing, but locks: the study's row, and in SQLite the file.
            row = sql.update(models.StudyModel).where(models.StudyModel.study_id == study)
            connection.execute(row.values(study_name=models.StudyModel.study_name))
            same = trained.where(attr.value_json == key, t.state != TrialState.FAIL)
            if connection.scalar(same):
                return "taken"
            if (connection.scalar(trained) or 0) >= trials + self.forgotten:
                return "full"
            mine = attr.trial_id == trial._trial_id
            connection.execute(sql.delete(attr).where(mine, attr.key.in_(decided)))
            rows = [
                {"trial_id": trial._trial_id, "key": name, "value_json": json.dumps(value)}
                for name, value in decided.items()
            ]
            connection.execute(sql.insert(attr), rows)
        return "ours"


def shared_study(study: optuna.Study, run: RunDirectory) -> SharedStudy | None:
    """The view of the driver that has a run; None if the study is a file in the run."""
    if not isinstance(study._storage, _CachedStorage):
        return None
    return SharedStudy(study, driver_name(run), str(study.user_attrs["driver"]))


def publish_metadata(
    study: optuna.Study, space: Space, config: SearchConfig, run: RunDirectory
) -> None:
    """Write into a study what a driver that joins it must know."""
    known = study.user_attrs
    for key, value in (("driver", driver_name(run)), ("space", json.loads(space.to_json()))):
        if key not in known:
            study.set_user_attr(key, value)
    study.set_user_attr("settings", shared_settings(config))  # taken up, a run may have more trials


def driver_name(run: RunDirectory) -> str:
    """The name under which a run's driver works: the run's with something that no other has."""
    driver = run.driver
    if driver is None:
        driver = Driver(new_driver_name(run.path.name), joined=False)
        run.write(DRIVER, asdict(driver))
    return driver.driver


def new_driver_name(run: str) -> str:
    """A run's name with something behind it that no other driver has."""
    return f"{run}-{uuid.uuid4().hex[:8]}"


def _engine(study: optuna.Study) -> sql.Engine:
    storage = study._storage
    backend = storage._backend if isinstance(storage, _CachedStorage) else storage
    assert isinstance(backend, RDBStorage), "a journal has one driver"
    return backend.engine
