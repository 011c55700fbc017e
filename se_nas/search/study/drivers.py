"""The drivers of a study: one alone, or many in a database that see what the others do.

One of many asks for trials that bear its name from their first moment. Before it trains one, it
claims the network: one transaction, one driver at a time, looks whether the network is taken and
whether the study has all its trials, and else notes the network in the trial. So no network is
trained twice and no trial too many, however the drivers are interleaved, and nothing is held that
a driver which dies would have to give back.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Protocol

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from se_nas.search.config import SearchConfig
from se_nas.search.run_dir import directory
from se_nas.search.run_dir.compatibility import shared_settings
from se_nas.search.run_dir.data_files import data_parts
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.study import optuna_internals
from se_nas.search.study.optuna_internals import Claim
from se_nas.search.study.records import DRIVER, ID, IMAGES, SETTINGS, SPACE, Record
from se_nas.space.space import Space
from se_nas.space.templates import Decisions


class Drivers(Protocol):
    """One driver's view of the drivers of its study.

    Attributes:
        alone: no other driver can be there.
        first_driver: the name of the one that began the study.
    """

    alone: bool
    first_driver: str

    def ask(self, decisions: Decisions | None = None) -> optuna.Trial:
        """Ask the study for a trial of this driver, with fixed parameters if they are given."""
        ...

    def driver_of(self, trial: FrozenTrial) -> str:
        """Return the name of the driver that has a trial."""
        ...

    def owns(self, trial: FrozenTrial) -> bool:
        """Return whether a trial is this driver's."""
        ...

    def forget_failed(self) -> None:
        """Do not count earlier trials that failed: their cause may be mended by now."""
        ...

    def changed_trials(self) -> Iterable[FrozenTrial]:
        """Return trials of others: each that ended since the last call, all that train now."""
        ...

    def claim(self, trial: optuna.Trial, attributes: Mapping[str, object], trials: int) -> Claim:
        """Note in a trial the network to train, if no driver has it and the budget has room.

        Args:
            attributes: of ``new_attributes``.
            trials: how many the study may have, without the failed ones that are forgotten.
        """
        ...


class OneDriver:
    """The only driver of a study: all trials are its own, and every claim succeeds."""

    alone = True
    first_driver = ""

    def __init__(self, study: optuna.Study) -> None:
        self.study = study

    def ask(self, decisions: Decisions | None = None) -> optuna.Trial:
        if decisions is not None:
            self.study.enqueue_trial(decisions)
        return self.study.ask()

    def driver_of(self, trial: FrozenTrial) -> str:
        return self.first_driver

    def owns(self, trial: FrozenTrial) -> bool:
        return True

    def forget_failed(self) -> None:
        """Do nothing: each driver counts the trials that it finds."""

    def changed_trials(self) -> Iterable[FrozenTrial]:
        return ()

    def claim(self, trial: optuna.Trial, attributes: Mapping[str, object], trials: int) -> Claim:
        for name, value in attributes.items():
            trial.set_user_attr(name, value)
        return "ours"


class SharedStudy:
    """One driver's view of a study that others may work on.

    Args:
        study: in a database.
        own: this driver's name in the study.
        first_driver: its name; trials without a driver's name, of early versions, are its own.
    """

    alone = False

    def __init__(self, study: optuna.Study, own: str, first_driver: str) -> None:
        self.study, self.own, self.first_driver = study, own, first_driver
        self.forgotten = 0  # failed trials that do not count as trained
        self._known: set[int] = set()  # trials that have no more news

    def ask(self, decisions: Decisions | None = None) -> optuna.Trial:
        # Not by ``enqueue_trial``: any driver would take up what waits in the study.
        fixed = {} if decisions is None else {"fixed_params": dict(decisions)}
        template = create_trial(
            state=TrialState.RUNNING, user_attrs={DRIVER: self.own}, system_attrs=fixed
        )
        return optuna_internals.start_trial(self.study, template)

    def driver_of(self, trial: FrozenTrial) -> str:
        return str(trial.user_attrs.get(DRIVER, self.first_driver))

    def owns(self, trial: FrozenTrial) -> bool:
        # A waiting trial was enqueued by an early version, with one driver; nobody owns it now.
        return trial.state is not TrialState.WAITING and self.driver_of(trial) == self.own

    def forget_failed(self) -> None:
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.FAIL,)):
            self._known.add(trial.number)
            self.forgotten += bool(Record.of(trial).id)

    def changed_trials(self) -> Iterator[FrozenTrial]:
        for trial in self.study.get_trials(deepcopy=False):
            if trial.number in self._known:
                continue
            if trial.state.is_finished():
                self._known.add(trial.number)
            if not self.owns(trial) and (trial.state.is_finished() or ID in trial.user_attrs):
                yield trial

    def claim(self, trial: optuna.Trial, attributes: Mapping[str, object], trials: int) -> Claim:
        return optuna_internals.claim(trial, attributes, ID, most=trials + self.forgotten)


def shared_study(study: optuna.Study, run: RunDirectory) -> Drivers:
    """Return the view of the driver that has a run; of one alone if the study is in the run."""
    if not optuna_internals.is_in_database(study):
        return OneDriver(study)
    return SharedStudy(study, driver_name(run), str(study.user_attrs[DRIVER]))


def publish_metadata(
    study: optuna.Study, space: Space, config: SearchConfig, run: RunDirectory
) -> None:
    """Write into a study what a joining driver needs: first driver, space, images, settings."""
    known = study.user_attrs
    driver, of = driver_name(run), json.loads(space.to_json())
    for key, value in ((DRIVER, driver), (SPACE, of), (IMAGES, data_parts(run))):
        if key not in known:
            study.set_user_attr(key, value)
    study.set_user_attr(SETTINGS, shared_settings(config))  # taken up, a run may have more trials


def driver_name(run: RunDirectory) -> str:
    """Return the name under which a run's driver works, which is made at the first call."""
    driver = run.driver
    if driver is None:
        driver = directory.Driver(new_driver_name(run.path.name), joined=False)
        run.write(directory.DRIVER, asdict(driver))
    return driver.driver


def new_driver_name(run: str) -> str:
    """Return a run's name with a random suffix, which no other driver has."""
    return f"{run}-{uuid.uuid4().hex[:8]}"
