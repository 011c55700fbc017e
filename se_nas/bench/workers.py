"""Workers of a made-up clock: a search is replayed in seconds as it would go in hours.

workers = SimulatedWorkers(8)
while ...:
    while workers.idle:
        workers.start(trial, seconds=network.seconds)
    trial = workers.wait()      # the one that ends first; workers.clock is when
"""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

T = TypeVar("T")


class SimulatedWorkers(Generic[T]):
    """Workers that do one job each at a time, and take as long as they are told.

    Attributes:
        count: how many there are.
        clock: seconds since the beginning.

    >>> workers = SimulatedWorkers[str](2)
    >>> workers.start("long", 5.0)
    >>> workers.start("short", 1.0)
    >>> workers.wait(), workers.clock
    ('short', 1.0)
    >>> workers.start("next", 1.0)
    >>> workers.wait(), workers.wait(), workers.clock
    ('next', 'long', 5.0)
    """

    def __init__(self, count: int) -> None:
        assert count > 0
        self.count, self.clock = count, 0.0
        self._running: list[tuple[float, int, T]] = []
        self._started = 0

    @property
    def idle(self) -> int:
        """Workers without a job."""
        return self.count - len(self._running)

    def start(self, job: T, seconds: float) -> None:
        """Give a job to an idle worker, now."""
        assert self.idle, "all workers have a job"
        self._started += 1
        heapq.heappush(self._running, (self.clock + seconds, self._started, job))

    def wait(self) -> T:
        """Let the clock run until a job ends, and return it; of two, the one started first."""
        assert self._running, "nothing runs"
        self.clock, _, job = heapq.heappop(self._running)
        return job
