"""The number of trainings in the finals and the time they take, told before they begin."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from se_nas.architecture.architecture import Architecture
from se_nas.console import duration
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import SearchConfig
from se_nas.search.finals.networks import control_architectures
from se_nas.search.study.records import Record


def forecast(
    ended: Iterable[Record], best: Sequence[Architecture], config: SearchConfig, slots: Slots
) -> str:
    """Return the forecast in words, by the time that these networks took in the search.

    Args:
        ended: the trials of the search.
        best: the networks that are retrained; one at least.
    """
    seeds, epochs = config.final_seeds, config.final_epochs or config.epochs
    controls = max(len(control_architectures(architecture)) for architecture in best)
    counts = len(best) * seeds, controls * seeds
    per_epoch = _seconds_per_epoch(ended, {architecture.id for architecture in best})
    # The controls wait for the winner: their wave does not begin before the last of the best ends.
    waves = sum(-(-count // slots.count) for count in counts)
    seconds = waves * per_epoch * epochs
    time = f", about {duration(seconds)}" if seconds >= 60 else ", under a minute" * (seconds > 0)
    return (
        f"{_trainings(counts[0])} of {epochs} epoch{'s' * (epochs != 1)} (the best {len(best)}, "
        f"{seeds} seed{'s' * (seeds != 1)}), then at most {counts[1]} of the controls{time}"
    )


def _trainings(count: int) -> str:
    return f"{count} training{'s' * (count != 1)}"


def _seconds_per_epoch(ended: Iterable[Record], ids: set[str]) -> float:
    """Return the mean over these networks; 0 if no time is known."""
    outcomes = (record.outcome for record in ended if record.id in ids)
    times = [o.seconds / o.epochs for o in outcomes if o is not None and o.epochs]
    return statistics.fmean(times) if times else 0.0
