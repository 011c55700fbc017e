"""Time is kept: trials end while there is some for the finals, which fit into what is left."""

from __future__ import annotations

from dataclasses import replace

import optuna
import pytest
from optuna.samplers import RandomSampler

from se_nas import SE, InputError, Space, choice, optional, per_stage
from se_nas.cost.network_cost import cost
from se_nas.search.config import SearchConfig
from se_nas.search.config.search_config import TRIALS_IN_TIME, config_from_options
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.records import Outcome
from se_nas.search.study.study import propose
from se_nas.search.study.time_keeper import TimeKeeper

BLOCK = SE(choice(2, 4, 8), gate=choice("sigmoid", "tanh"))
SPACE = Space("s", trunk="resnet8_small", se=per_stage(optional(BLOCK)))
HOUR = SearchConfig(hours=1.0, trials=TRIALS_IN_TIME, top=3, final_seeds=3, epochs=8)


class Search:
    """A search of one trial after another, by a clock of its own."""

    def __init__(self, config: SearchConfig, at_once: int = 1) -> None:
        study = optuna.create_study(sampler=RandomSampler(seed=0), direction="maximize")
        self.proposals: Proposals = propose(study, SPACE, cost, config)
        self.now, self.said = 100.0, list[str]()
        self.keeper = TimeKeeper(
            self.proposals, config, at_once, self.said.append, began=100.0, clock=lambda: self.now
        )
        self.proposals.closes = self.keeper.is_over

    def run(self, seconds: float, stopped: bool = False) -> int:
        """Train until nothing is proposed; return how many trials that were."""
        count = 0
        while (proposal := self.proposals.ask()) is not None and count < 300:
            self.now += seconds / 2 if stopped and count % 2 else seconds
            end = "stopped_early" if stopped and count % 2 else "complete"
            self.proposals.tell(proposal, Outcome(end, {"val_acc": 0.5}, 8, seconds))  # type: ignore[arg-type]
            count += 1
        return count


def test_trials_end_in_time_for_the_finals() -> None:
    search = Search(HOUR)
    # 21 trainings of a minute are 21 minutes: 39 are left.
    assert search.run(60) == 39
    assert not search.proposals.open
    assert search.now == 100 + 39 * 60
    assert search.keeper.final_runs(3, 4) == (3, None)
    assert search.said == [
        "about 39 trials, 1 min 00 s each to their end, then 21 min 00 s for the finals: 1 h in all"
    ]


def test_finals_take_half_of_the_time_at_most_and_then_fewer_trainings() -> None:
    search = Search(HOUR)
    assert search.run(300) == 6
    assert search.keeper.left() == 1800
    assert search.keeper.final_runs(3, 4) == (2, 6), "6 trainings: 2 networks and 4 controls"
    assert "fewer --epochs make more of them" in search.said[0]
    search.now += 1700
    assert search.keeper.final_runs(3, 4) == (1, 5), "one seed each of the winner and its controls"


def test_slots_finals_of_other_lengths_and_a_number_of_runs_count() -> None:
    search = Search(replace(HOUR, final_epochs=16), at_once=3)
    search.run(60)
    # Waves: 3 of the best, 4 of the controls, 2 minutes each.
    assert search.keeper.left() == pytest.approx(14 * 60, abs=60)
    search = Search(replace(HOUR, final_runs=10))
    search.run(60)
    assert search.keeper.left() == pytest.approx(10 * 60, abs=60)
    assert search.keeper.final_runs(3, 4) == (3, 10)


def test_finals_are_as_long_as_the_longer_trials() -> None:
    search = Search(HOUR)
    for number in range(20):  # the best are seldom among the fast ones
        proposal = search.proposals.ask()
        assert proposal is not None
        seconds = 120 if number >= 17 else 60
        outcome = Outcome("complete", {"val_acc": 0.5}, 8, seconds)
        search.now += seconds
        search.proposals.tell(proposal, outcome)
    assert search.keeper.left() == 3600 - 17 * 60 - 3 * 120
    assert search.keeper.final_runs(3, 4) == (3, 18), "2220 s of 120 s each"


def test_without_hours_nothing_ends_and_nothing_is_said() -> None:
    search = Search(SearchConfig(trials=30))
    assert search.run(1e6) == 30
    assert search.said == []
    assert search.keeper.final_runs(3, 4) == (3, None)


def test_before_a_trial_has_ended_only_the_clock_ends_the_search() -> None:
    search = Search(HOUR)
    assert not search.keeper.is_over()
    search.now += 3601
    assert search.keeper.is_over()
    assert search.keeper.final_runs(3, 4) == (3, None), "nothing is known of their time"


def test_trials_are_a_limit_beside_hours() -> None:
    search = Search(replace(HOUR, trials=10))
    assert search.run(60) == 10


def test_hours_without_trials_are_no_limit_on_these() -> None:
    assert config_from_options({"hours": 2}).trials == TRIALS_IN_TIME
    assert config_from_options({"hours": 2, "trials": 7}).trials == 7
    assert config_from_options({}).trials == SearchConfig().trials
    with pytest.raises(InputError, match=r"hours is -1.*give a number"):
        config_from_options({"hours": -1.0})
