"""Trials that fail: their tracebacks, one line each, and when there are too many of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import tune
from rich.console import Console

from se_nas.search.config import MAX_DEATHS
from se_nas.search.run_dir.directory import RunDirectory, display_path
from se_nas.search.study.records import End

# A share of fewer failures says nothing.
LEAST_FAILED = 5
# How Ray's memory monitor signs what it kills.
MEMORY_MONITOR = ("running low on memory", "OutOfMemoryError", "memory monitor")


class FailureBudget:
    """Counts how trials end, and says when more fail than the user bears."""

    def __init__(self, max_share: float) -> None:
        self.max_share = max_share
        self.ended = self.failed = 0

    def count(self, end: End) -> str:
        """Count one more; the reason to stop the search, empty if there is none."""
        self.ended += 1
        self.failed += end in ("error", "lost")
        if self.failed < LEAST_FAILED or self.failed / self.ended <= self.max_share:
            return ""
        return (
            f"{self.failed} of {self.ended} trials failed, more than a share of {self.max_share:g}"
        )


class FailureCallback(tune.Callback):
    """Writes a failed trial's traceback into the run directory, and one line on the screen.

    Args:
        out_of_memory: takes the ids of Tune's trials whose workers were killed for memory: their
            end is known, also if no other worker lives long enough to report it.
        deaths: counts the workers that died, by the trial's number.
        again: the ids of Tune's trials that ended there and not in the study: they come again, if
            only when the run is taken up.
    """

    def __init__(
        self,
        run: RunDirectory,
        console: Console,
        out_of_memory: set[str],
        deaths: dict[int, int],
        again: set[str],
    ) -> None:
        self.deaths, self.again = deaths, again
        self.run, self.console, self.out_of_memory = run, console, out_of_memory

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles callbacks into a file that nobody reads; a terminal cannot be

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        result = trial.last_result or {}
        if result.get("traceback"):
            self._keep(trial, result["traceback"], f"failed: {result.get('reason', '')}")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        if trial.trial_id in self.out_of_memory | self.again:
            return  # known, or the trial comes again
        times = death_reason(self.deaths.get(trial.config["number"], 0))
        self._keep(trial, error_text(trial) or times, f"is lost: {times}")

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        number = trial.config["number"]
        self.deaths[number] = self.deaths.get(number, 0) + 1
        if self.deaths[number] >= MAX_DEATHS:  # under this id of Tune's and earlier ones
            trial.run_metadata.num_failures = MAX_DEATHS
        last = error_text(trial).rpartition("Failure #")[2]
        # To train it on another worker would only kill that one: it reports what happened.
        if any(sign in last for sign in MEMORY_MONITOR):
            if trial.trial_id not in self.out_of_memory:  # one line, though it be killed again
                self.console.print(
                    f"note: the host ran short of memory; {trial.config['name']} does not fit",
                    soft_wrap=True,
                )
            self.out_of_memory.add(trial.trial_id)
            trial.config["out_of_memory"] = True
            trial.run_metadata.num_failures = MAX_DEATHS  # the next one is the last

    def _keep(self, trial: Any, text: str, what: str) -> None:
        path = self.run.errors / f"trial-{trial.config['number']:05d}.txt"
        path.write_text(f"{trial.config['name']}\n\n{text}", encoding="utf-8")
        number = trial.config["number"]
        self.console.print(f"note: trial {number} {what} ({display_path(path)})", soft_wrap=True)


def death_reason(count: int) -> str:
    """The reason of a trial that was lost."""
    return f"its workers died {count} times" if count > 1 else "its worker died"


def error_text(trial: Any) -> str:
    """What Tune noted of the errors that reached it, the last one last."""
    noted = Path(trial.error_file) if trial.error_file else None
    return noted.read_text(encoding="utf-8") if noted and noted.exists() else ""
