"""The finals are announced: so many trainings, and about so long."""

from __future__ import annotations

from dataclasses import replace

from se_nas import SE, Architecture
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import SearchConfig
from se_nas.search.finals.forecast import forecast
from se_nas.search.study.records import Outcome, Record

BEST = [Architecture("resnet8_small", SE(r)) for r in (2, 4)]
CONFIG = SearchConfig(epochs=4, final_epochs=10, final_seeds=3)
ENDED = [
    Record(i, "ended", id=architecture.id, outcome=Outcome("complete", {}, 4, seconds))
    for i, (architecture, seconds) in enumerate(
        zip([*BEST, Architecture("resnet18")], (8, 16, 4e4), strict=True)
    )
]


def test_the_time_is_that_of_the_same_networks_in_the_search() -> None:
    # 3 s an epoch, 30 s a training; 6 trainings and 6 of the controls on 4 slots: 2 + 2 waves.
    assert forecast(ENDED, BEST, 2, CONFIG, Slots(4, 1.0, 0.0)) == (
        "at most 6 trainings of 10 epochs (the best 2, 3 seeds), then at most 6 of the controls, "
        "about 2 min 00 s"
    )


def test_a_short_time_is_not_told_by_the_second() -> None:
    short = replace(CONFIG, final_seeds=1, final_epochs=1)
    assert forecast(ENDED, BEST, 2, short, Slots(4, 1.0, 0.0)).endswith("controls, under a minute")


def test_a_time_that_is_not_known_is_not_said() -> None:
    one = replace(CONFIG, final_seeds=1, final_epochs=None, epochs=1)
    assert forecast([], BEST[:1], 2, one, Slots(4, 1.0, 0.0)) == (
        "at most 1 training of 1 epoch (the best 1, 1 seed), then at most 2 of the controls"
    )


def test_a_budget_of_runs_is_what_is_told() -> None:
    config = replace(CONFIG, final_runs=20)
    assert forecast(ENDED, BEST, 2, config, Slots(4, 1.0, 0.0)) == (
        "20 trainings at most of 10 epochs, where they decide, about 2 min 30 s"
    )
