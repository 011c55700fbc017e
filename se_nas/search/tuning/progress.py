"""What a search shows while it runs: one live line on a terminal, now and then one in a log."""

from __future__ import annotations

import time
from typing import Any

from ray import tune
from rich.console import Console
from rich.live import Live
from rich.text import Text

from se_nas.search.study.proposals import Proposals
from se_nas.search.tuning.searcher import StudySearcher
from se_nas.search.tuning.start_barrier import StartBarrier

# In a log: a line when something changed, though not more often than this, or after a while.
LOG_EVERY_S, LOG_AT_LEAST_EVERY_S = 15.0, 120.0


class ProgressCallback(tune.Callback):
    """Trials done, running, stopped early and rejected; the best so far; the time left."""

    def __init__(
        self,
        console: Console,
        searcher: StudySearcher,
        on_gpu: bool = False,
        workers: StartBarrier | None = None,
    ) -> None:
        self.console, self.searcher = console, searcher
        self.on_gpu, self.workers = on_gpu, workers
        self.started = time.monotonic()
        self.earlier = sum(searcher.proposals.counts.ends.values())  # under another driver
        self.logged, self.logged_ended = self.started, 0
        self.live = Live(console=console, refresh_per_second=4, transient=True)

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles callbacks into a file that nobody reads; a terminal cannot be

    def setup(self, *_: Any, **__: Any) -> None:
        if self.console.is_terminal:
            self.live.start()

    def on_step_end(self, iteration: int, trials: list[Any], **_: Any) -> None:
        self._show()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
    ) -> None:
        if self.on_gpu and result.get("device") == "cpu":
            self.on_gpu = False  # once is enough
            self.console.print(
                f"note: {result['worker']} reserved a GPU but finds no CUDA device and trains on "
                "its CPU",
                soft_wrap=True,
            )

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        if trial.config.get("out_of_memory"):
            return  # FailureCallback says it
        self.console.print(
            f"note: a worker died; {trial.config['name']} goes on from its last checkpoint",
            soft_wrap=True,
        )

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._show()

    def close(self) -> None:
        """Take the live line off the screen and leave the last state as text."""
        if self.live.is_started:
            self.live.stop()
        self.console.print(self.line(), soft_wrap=True)

    def line(self) -> str:
        """The state in one line."""
        proposals: Proposals = self.searcher.proposals
        if self.workers is not None and self.workers.wave:
            return f"search: {len(self.workers.held)}/{len(self.workers.wave)} workers started"
        counts = proposals.counts
        ended = sum(counts.ends.values())
        trials = counts.accepted if proposals.exhausted else proposals.trials
        parts = [f"{ended}/{trials} trials", f"{len(self.searcher.live)} running"]
        for end, label in (
            ("stopped_early", "stopped early"),
            ("not_finite", "diverged"),
            ("out_of_memory", "out of memory"),
            ("error", "failed"),
            ("lost", "lost"),
        ):
            if counts.ends.get(end):
                parts.append(f"{counts.ends[end]} {label}")
        if counts.rejected:
            parts.append(f"{counts.rejected} rejected")
        if counts.duplicates:
            parts.append(f"{counts.duplicates} repeated")
        elapsed = time.monotonic() - self.started
        if self.earlier < ended < trials and not self.searcher.stopped:
            # Running trials count by their epochs: else many slots make the first end look slow.
            begun = self.searcher.trials_under_way()
            left = trials - ended - begun
            parts.append(f"{_duration(elapsed / (ended - self.earlier + begun) * left)} left")
        else:
            parts.append(_duration(elapsed))
        best = self.searcher.best
        if best.architecture:
            parts.append(f"best {best.objective.metric} {best.value:.4f} {best.architecture}")
        return "search: " + " · ".join(parts)

    def _show(self) -> None:
        if self.live.is_started:
            self.live.update(Text(self.line(), overflow="ellipsis", no_wrap=True))
            return
        waited = time.monotonic() - self.logged
        ended = sum(self.searcher.proposals.counts.ends.values())
        if waited > LOG_AT_LEAST_EVERY_S or (waited > LOG_EVERY_S and ended != self.logged_ended):
            self.logged, self.logged_ended = time.monotonic(), ended
            self.console.print(self.line(), soft_wrap=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
