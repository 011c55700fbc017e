"""The base of a run's callbacks, and typed readers of Tune's trials."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Protocol

from ray import tune

from se_nas.search.worker.reports import TrialConfig, TrialReport, read_config, read_report


class TuneTrial(Protocol):
    """Tune's own trial, as far as the search looks at it."""

    @property
    def trial_id(self) -> str: ...

    @property
    def config(self) -> MutableMapping[str, object]: ...

    @property
    def last_result(self) -> MutableMapping[str, object]: ...

    @property
    def error_file(self) -> str | None: ...


class OnDriver:
    """An object of the driver's process alone, pickled empty: nobody reads Tune's file of it."""

    def __getstate__(self) -> dict[str, object]:
        return {}


class DriverCallback(OnDriver, tune.Callback):
    """A callback of Tune's that may hold what cannot be pickled, such as a terminal."""


def config_of(trial: TuneTrial) -> TrialConfig:
    """Return the configuration that the searcher gave a trial."""
    return read_config(trial.config)


def last_report(trial: TuneTrial) -> TrialReport:
    """Return a trial's last report; empty if there was none."""
    return read_report(trial.last_result)
