"""What a worker's death makes of its trial."""

from __future__ import annotations

from se_nas.search.config import MAX_DEATHS
from se_nas.search.tuning.worker_deaths import WorkerDeaths


def test_the_last_death_that_is_borne_is_said() -> None:
    deaths = WorkerDeaths()
    assert [deaths.died(7) for _ in range(MAX_DEATHS)] == [False] * (MAX_DEATHS - 1) + [True]
    assert (deaths.count(7), deaths.count(8)) == (MAX_DEATHS, 0)
    assert deaths.reason(7) == f"its workers died {MAX_DEATHS} times"
    assert deaths.reason(8) == "its worker died"


def test_a_trial_that_tune_gives_up_comes_again_while_few_workers_died() -> None:
    deaths = WorkerDeaths()
    assert not deaths.comes_again(1), "Tune saw no worker die: it is over"
    deaths.died(1)
    assert deaths.comes_again(1)
    for _ in range(MAX_DEATHS):
        deaths.died(1)
    assert not deaths.comes_again(1)


def test_a_worker_that_dies_unseen_counts_so_that_there_is_an_end() -> None:
    deaths = WorkerDeaths()
    deaths.died(1)
    assert [deaths.comes_again(1) for _ in range(MAX_DEATHS)] == [True] * 2 + [False]
    assert deaths.count(1) == MAX_DEATHS


def test_ids_of_tune_are_remembered_each_for_its_own_reason() -> None:
    deaths = WorkerDeaths()
    assert deaths.kill_for_memory("a")
    assert not deaths.kill_for_memory("a"), "one line on the screen is enough"
    deaths.retry("b")
    known = [(deaths.killed_for_memory(i), deaths.to_retry(i)) for i in "abc"]
    assert known == [(True, False), (False, True), (False, False)]
