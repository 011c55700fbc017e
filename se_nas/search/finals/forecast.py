"""The number of trainings in the finals and the time they take, told before they begin."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from se_nas.architecture.architecture import Architecture
from se_nas.console import duration
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import SearchConfig
from se_nas.search.study.records import Record


def forecast(
    ended: Iterable[Record],
    best: Sequence[Architecture],
    controls: int,
    config: SearchConfig,
    slots: Slots,
) -> str:
    """Return the forecast in words, by the time that these networks took in the search.

    Args:
        ended: the trials of the search.
        best: the networks that are retrained; one at least.
        controls: how many there may be.
    """
    seeds, epochs = config.final_seeds, config.final_epochs or config.epochs
    counts = len(best) * seeds, controls * seeds
    per_epoch = _seconds_per_epoch(ended, {architecture.id for architecture in best})
    # The controls wait for the winner: their wave does not begin before the last of the best ends.
    waves = sum(-(-count // slots.count) for count in counts)
    seconds = waves * per_epoch * epochs
    if config.final_runs is not None:
        seconds = -(-config.final_runs // slots.count) * per_epoch * epochs
        runs = _trainings(config.final_runs)
        return f"{runs} at most of {_epochs(epochs)}, where they decide{_time(seconds)}"
    told = f"the best {len(best)}, {seeds} seed{'s' * (seeds != 1)}"
    return (
        f"at most {_trainings(counts[0])} of {_epochs(epochs)} ({told}), then at most {counts[1]} "
        f"of the controls{_time(seconds)}"
    )


def _epochs(count: int) -> str:
    return f"{count} epoch{'s' * (count != 1)}"


def _time(seconds: float) -> str:
    if seconds >= 60:
        return f", about {duration(seconds)}"
    return ", under a minute" * (seconds > 0)


def _trainings(count: int) -> str:
    return f"{count} training{'s' * (count != 1)}"


def _seconds_per_epoch(ended: Iterable[Record], ids: set[str]) -> float:
    """Return the mean over these networks; 0 if no time is known."""
    outcomes = (record.outcome for record in ended if record.id in ids)
    times = [o.seconds / o.epochs for o in outcomes if o is not None and o.epochs]
    return statistics.fmean(times) if times else 0.0
