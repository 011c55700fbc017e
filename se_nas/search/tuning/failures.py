"""Failed trials: their tracebacks, one line each, and the limit to their share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from se_nas.console import print_line
from se_nas.search.config import MAX_DEATHS
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.tuning.driver_callback import (
    DriverCallback,
    TuneTrial,
    config_of,
    last_report,
)
from se_nas.search.tuning.ray_internals import set_failures
from se_nas.search.tuning.worker_deaths import WorkerDeaths
from se_nas.search.worker.reports import FAILED, End

# The share of fewer failures is not judged.
LEAST_FAILED = 5
# Words of Ray's memory monitor in the errors of workers that it killed.
MEMORY_MONITOR = ("running low on memory", "OutOfMemoryError", "memory monitor")


class FailureBudget:
    """Counts of ended and failed trials, against the share of failures that the user allows."""

    def __init__(self, max_share: float) -> None:
        self.max_share = max_share
        self.ended = self.failed = 0

    def count(self, end: End) -> str:
        """Count one more; return the reason to stop the search, empty if there is none."""
        self.ended += 1
        self.failed += end in FAILED
        if self.failed < LEAST_FAILED or self.failed / self.ended <= self.max_share:
            return ""
        return (
            f"{self.failed} of {self.ended} trials failed, more than a share of {self.max_share:g}"
        )


class FailureCallback(DriverCallback):
    """A callback that writes a failed trial's traceback into the run, and one line on the screen.

    Args:
        deaths: counts the workers that die.
    """

    def __init__(self, run: RunDirectory, console: Console, deaths: WorkerDeaths) -> None:
        self.run, self.console, self.deaths = run, console, deaths

    def on_trial_complete(
        self, iteration: int, trials: Sequence[TuneTrial], trial: TuneTrial, **_: object
    ) -> None:
        report = last_report(trial)
        if report.get("traceback"):
            self._keep(trial, report["traceback"], f"failed: {report.get('reason', '')}")

    def on_trial_error(
        self, iteration: int, trials: Sequence[TuneTrial], trial: TuneTrial, **_: object
    ) -> None:
        deaths, trial_id = self.deaths, trial.trial_id
        if deaths.killed_for_memory(trial_id) or deaths.to_retry(trial_id):
            return  # known, or the trial comes again
        reason = deaths.reason(config_of(trial)["number"])
        self._keep(trial, error_text(trial) or reason, f"is lost: {reason}")

    def on_trial_recover(
        self, iteration: int, trials: Sequence[TuneTrial], trial: TuneTrial, **_: object
    ) -> None:
        config = config_of(trial)
        if self.deaths.died(config["number"]):  # under this id of Tune's and earlier ones
            set_failures(trial, MAX_DEATHS)
        last = error_text(trial).rpartition("Failure #")[2]
        # Training would only kill the next worker too: that one just reports what happened.
        if any(sign in last for sign in MEMORY_MONITOR):
            if self.deaths.kill_for_memory(trial.trial_id):  # one line, though it be killed again
                print_line(
                    self.console,
                    f"note: the host ran short of memory; {config['name']} does not fit",
                )
            config["out_of_memory"] = True
            set_failures(trial, MAX_DEATHS)  # the next one is the last

    def _keep(self, trial: TuneTrial, text: str, what: str) -> None:
        config = config_of(trial)
        number = config["number"]
        where = self.run.write_error(f"trial-{number:05d}", f"{config['name']}\n\n{text}")
        print_line(self.console, f"note: trial {number} {what}{where}")


def error_text(trial: TuneTrial) -> str:
    """Return what Tune noted of the errors that reached it, the last one last."""
    noted = Path(trial.error_file) if trial.error_file else None
    return noted.read_text(encoding="utf-8", errors="replace") if noted and noted.exists() else ""
