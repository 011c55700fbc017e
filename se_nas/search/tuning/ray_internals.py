"""Tune's internals that the search relies on: to be checked at each upgrade of Ray.

Beside these, ``asha.py`` relies on ASHA looking at nothing of a trial but its ``trial_id``, and
``searcher.py`` on Tune calling ``on_trial_complete`` for a trial that it considers lost.
"""

from __future__ import annotations

from typing import Protocol, cast

from ray.tune.search import Searcher


class Controller(Protocol):
    """Tune's loop, as far as a scheduler here looks at it."""

    def get_live_trials(self) -> set[object]: ...

    def _schedule_trial_train(self, trial: object) -> None: ...


class _Metadata(Protocol):
    num_failures: int


class _Counted(Protocol):
    @property
    def run_metadata(self) -> _Metadata: ...


def train(controller: object, trial: object) -> None:
    """Let a trial that its scheduler held with ``NOOP`` take its next step."""
    cast(Controller, controller)._schedule_trial_train(trial)


def count_live(controller: object) -> int:
    """Return how many trials have not ended."""
    return len(cast(Controller, controller).get_live_trials())


def set_failures(trial: object, count: int) -> None:
    """Set how many failures Tune counts for a trial; at ``max_failures`` the next is the last."""
    cast(_Counted, trial).run_metadata.num_failures = count


def finished() -> dict[str, object]:
    """Return the answer of ``suggest`` when nothing is left to propose.

    Its type says a configuration or None, which would mean to ask again.
    """
    return cast("dict[str, object]", Searcher.FINISHED)
