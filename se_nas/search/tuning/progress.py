"""Progress of a search: one live line on a terminal, now and then a line in a log."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.live import Live

from se_nas.console import duration, literal, print_line
from se_nas.search.config.search_config import TRIALS_IN_TIME
from se_nas.search.tuning.driver_callback import DriverCallback, TuneTrial, config_of
from se_nas.search.tuning.searcher import StudySearcher
from se_nas.search.tuning.start_barrier import StartBarrier
from se_nas.search.worker.reports import LABELS, read_report
from se_nas.space.objectives import show_value, with_unit

# In a log: a line when something changed, though not more often than this, or after a while.
LOG_EVERY_S, LOG_AT_LEAST_EVERY_S = 15.0, 120.0


class ProgressCallback(DriverCallback):
    """The progress line: trials by state, the best so far, the time left."""

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
        self.earlier = searcher.proposals.counts.ended  # under another driver
        self.logged, self.logged_ended = self.started, 0
        self.live = Live(console=console, refresh_per_second=4, transient=True)

    def setup(self, *_: object, **__: object) -> None:
        if self.console.is_terminal:
            self.live.start()

    def on_step_end(self, iteration: int, trials: Sequence[TuneTrial], **_: object) -> None:
        self._show()

    def on_trial_result(
        self,
        iteration: int,
        trials: Sequence[TuneTrial],
        trial: TuneTrial,
        result: Mapping[str, object],
        **_: object,
    ) -> None:
        report = read_report(result)
        if self.on_gpu and report.get("device") == "cpu":
            self.on_gpu = False  # once is enough
            print_line(
                self.console,
                f"note: {report['worker']} reserved a GPU but finds no CUDA device and trains on "
                "its CPU",
            )

    def on_trial_recover(
        self, iteration: int, trials: Sequence[TuneTrial], trial: TuneTrial, **_: object
    ) -> None:
        config = config_of(trial)
        if config.get("out_of_memory"):
            return  # FailureCallback says it
        print_line(
            self.console, f"note: a worker died; {config['name']} goes on from its last checkpoint"
        )

    def on_trial_complete(
        self, iteration: int, trials: Sequence[TuneTrial], trial: TuneTrial, **_: object
    ) -> None:
        self._show()

    def close(self) -> None:
        """Take the live line off the screen and leave the last state as text."""
        if self.live.is_started:
            self.live.stop()
        print_line(self.console, self.line())

    def line(self) -> str:
        """Return the state in one line."""
        proposals = self.searcher.proposals
        if self.workers is not None and self.workers.wave:
            return f"search: {len(self.workers.held)}/{len(self.workers.wave)} workers started"
        counts = proposals.counts
        ended = counts.ended
        trials = counts.accepted if proposals.exhausted else proposals.trials
        known = trials < TRIALS_IN_TIME
        of = f"{ended}/{trials} trials" if known else f"{ended} trial{'s' * (ended != 1)}"
        parts = [of, f"{len(self.searcher.running)} running"]
        for end, label in LABELS.items():
            if end != "complete" and counts.ends.get(end):
                parts.append(f"{counts.ends[end]} {label}")
        if counts.rejected:
            parts.append(f"{counts.rejected} rejected")
        if counts.duplicates:
            parts.append(f"{counts.duplicates} repeated")
        elapsed = time.monotonic() - self.started
        if self.earlier < ended < trials < TRIALS_IN_TIME and not self.searcher.stopped:
            # Running trials count by their epochs: else many slots make the first end look slow.
            begun = self.searcher.trials_under_way()
            left = trials - ended - begun
            parts.append(f"{duration(elapsed / (ended - self.earlier + begun) * left)} left")
        else:
            parts.append(duration(elapsed))
        best = self.searcher.best
        if best.architecture:
            metric = best.objective.metric
            value = with_unit(metric, show_value(metric, best.value))
            parts.append(f"best {metric} {value} {best.architecture}")
        return "search: " + " · ".join(parts)

    def _show(self) -> None:
        if self.live.is_started:
            self.live.update(literal(self.line(), one_line=True))
            return
        waited = time.monotonic() - self.logged
        ended = self.searcher.proposals.counts.ended
        if waited > LOG_AT_LEAST_EVERY_S or (waited > LOG_EVERY_S and ended != self.logged_ended):
            self.logged, self.logged_ended = time.monotonic(), ended
            print_line(self.console, self.line())
