"""Deaths of workers, shared by the searcher and the callback that sees them.

Tune gives a trial that comes again another id of its own; the study's number stays.
"""

from __future__ import annotations

from collections import Counter

from se_nas.search.config import MAX_DEATHS


class WorkerDeaths:
    """Counts of workers' deaths by the trial's number, and what follows from them."""

    def __init__(self) -> None:
        self._deaths: Counter[int] = Counter()
        self._at_retry: dict[int, int] = {}  # deaths when the trial came again the last time
        self._killed_for_memory: set[str] = set()
        self._to_retry: set[str] = set()  # ids that are over for Tune, but not for the study

    def died(self, number: int) -> bool:
        """Count a death; return whether the trial has no more retries, whatever Tune counted."""
        self._deaths[number] += 1
        return self._deaths[number] >= MAX_DEATHS

    def count(self, number: int) -> int:
        """Return how many workers died over a trial."""
        return self._deaths[number]

    def reason(self, number: int) -> str:
        """Return why a trial is lost."""
        count = self._deaths[number]
        return f"its workers died {count} times" if count > 1 else "its worker died"

    def kill_for_memory(self, trial_id: str) -> bool:
        """Note that a trial's worker was killed for memory; return whether that is new.

        The trial's end is known by that, also if no other worker lives long enough to report it.
        """
        new = trial_id not in self._killed_for_memory
        self._killed_for_memory.add(trial_id)
        return new

    def killed_for_memory(self, trial_id: str) -> bool:
        """Return whether a trial's worker was killed because the host ran short of memory."""
        return trial_id in self._killed_for_memory

    def comes_again(self, number: int) -> bool:
        """Return whether a trial that Tune considers lost is to be trained again.

        Tune takes the death of an idle worker for two, and the second as final: it is not.
        """
        if self._deaths[number] and self._deaths[number] == self._at_retry.get(number):
            # Another worker died as it started, which Tune does not recover from.
            self._deaths[number] += 1
        self._at_retry[number] = self._deaths[number]
        return 0 < self._deaths[number] < MAX_DEATHS

    def retry(self, trial_id: str) -> None:
        """Note that a trial which is over for Tune is not over for the study."""
        self._to_retry.add(trial_id)

    def to_retry(self, trial_id: str) -> bool:
        """Return whether a trial which is over for Tune comes again, now or when resumed."""
        return trial_id in self._to_retry
