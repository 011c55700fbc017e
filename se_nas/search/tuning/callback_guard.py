"""A guard around the callbacks: Tune takes the error of a callback for the death of its trial."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Mapping, Sequence

from ray import tune
from rich.console import Console

from se_nas.console import print_line
from se_nas.errors import described
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.tuning.driver_callback import DriverCallback, TuneTrial


class CallbackGuard(DriverCallback):
    """A callback that calls others; an error in one of them is a note, and the search goes on.

    What they do beside the study (lines, tables, metrics, files) is not worth a trial. The note is
    printed once for each of them, and the traceback is in the run's ``errors/``.
    """

    def __init__(
        self, callbacks: Sequence[tune.Callback], run: RunDirectory, console: Console
    ) -> None:
        self.callbacks, self.run, self.console = tuple(callbacks), run, console
        self.noted: set[str] = set()

    def setup(self, *_: object, **info: object) -> None:
        self._call("setup", **info)

    def on_step_end(self, iteration: int, trials: Sequence[TuneTrial], **info: object) -> None:
        self._call("on_step_end", iteration, trials, **info)

    def on_trial_start(
        self, iteration: int, trials: Sequence[TuneTrial], trial: TuneTrial, **info: object
    ) -> None:
        self._call("on_trial_start", iteration, trials, trial, **info)

    def on_trial_result(
        self,
        iteration: int,
        trials: Sequence[TuneTrial],
        trial: TuneTrial,
        result: Mapping[str, object],
        **info: object,
    ) -> None:
        self._call("on_trial_result", iteration, trials, trial, result, **info)

    def on_trial_recover(
        self, iteration: int, trials: Sequence[TuneTrial], trial: TuneTrial, **info: object
    ) -> None:
        self._call("on_trial_recover", iteration, trials, trial, **info)

    def on_trial_complete(
        self, iteration: int, trials: Sequence[TuneTrial], trial: TuneTrial, **info: object
    ) -> None:
        self._call("on_trial_complete", iteration, trials, trial, **info)

    def on_trial_error(
        self, iteration: int, trials: Sequence[TuneTrial], trial: TuneTrial, **info: object
    ) -> None:
        self._call("on_trial_error", iteration, trials, trial, **info)

    def on_experiment_end(self, trials: Sequence[TuneTrial], **info: object) -> None:
        self._call("on_experiment_end", trials, **info)

    def _call(self, hook: str, *given: object, **info: object) -> None:
        for callback in self.callbacks:
            try:
                getattr(callback, hook)(*given, **info)
            except Exception as error:
                self._note(type(callback).__name__, error)

    def _note(self, name: str, error: Exception) -> None:
        if name in self.noted:
            return
        self.noted.add(name)
        where = self.run.write_error(f"callback-{name}", traceback.format_exc())
        with contextlib.suppress(Exception):  # printing may be what failed
            print_line(
                self.console, f"note: {name} failed, no trial did: {described(error)}{where}"
            )
