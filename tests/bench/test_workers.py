"""A made-up clock, against a plain simulation of every second."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from se_nas.bench.workers import SimulatedWorkers


@given(st.integers(1, 4), st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_jobs_end_as_on_workers_that_count_every_second(count: int, lengths: list[int]) -> None:
    workers, waiting, ends = SimulatedWorkers[int](count), list(range(len(lengths))), {}
    while waiting or workers.idle < count:
        while waiting and workers.idle:
            job = waiting.pop(0)
            workers.start(job, float(lengths[job]))
        job = workers.wait()
        ends[job] = workers.clock
    left, queue, second, expected = {}, list(range(len(lengths))), 0, {}
    while queue or left:
        while queue and len(left) < count:
            job = queue.pop(0)
            left[job] = lengths[job]
        second += 1
        left = {job: rest - 1 for job, rest in left.items()}
        expected |= {job: float(second) for job, rest in left.items() if rest == 0}
        left = {job: rest for job, rest in left.items() if rest}
    assert ends == expected
