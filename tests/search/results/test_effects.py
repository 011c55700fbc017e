"""What a search's trials tell of its choices: found, written, read back, shown."""

from __future__ import annotations

import io
import json
import random
import statistics
from dataclasses import asdict
from pathlib import Path

import optuna
import pytest
from optuna.samplers import RandomSampler
from rich.console import Console

from se_nas import (
    SE,
    Architecture,
    Space,
    choice,
    maximize,
    minimize,
    optional,
    params,
    per_stage,
    trunk,
)
from se_nas.cost.network_cost import cost
from se_nas.latency.table import TimedCost
from se_nas.search.config import SearchConfig
from se_nas.search.results.effects import LEAST_TRIALS, ROWS, Answer, answer, show_answer
from se_nas.search.results.search_result import read_answer
from se_nas.search.run_dir.directory import RESULTS, RunDirectory
from se_nas.search.study.records import Outcome, Record, records
from se_nas.search.study.study import propose
from se_nas.search.worker.reports import End
from se_nas.space.objectives import Objective

TRUNK = trunk("resnet8_small", width=choice(8, 12, 16))
BLOCKS = per_stage(optional(SE(reduction=choice(2, 8), gate=choice("sigmoid", "tanh"))))


def searched(
    *objectives: Objective,
    trials: int = 60,
    worth: float = 0.05,
    ends: tuple[End, ...] = ("complete",),
) -> tuple[list[Record], Space]:
    """Return trials in which SE in stage 4 is worth something, and each rung a step."""
    space = Space("s", trunk=TRUNK, se=BLOCKS, objectives=objectives or (maximize("val_acc"),))
    directions = [objective.direction for objective in space.objectives]
    study = optuna.create_study(sampler=RandomSampler(seed=0), directions=directions)
    proposals, rng = propose(study, space, cost, SearchConfig(trials=trials)), random.Random(0)
    while (proposal := proposals.ask()) is not None:
        end = rng.choice(ends)
        good = worth * (proposal.architecture.stages[4] is not None) + rng.gauss(0, 0.01)
        value = 0.7 + good - 0.2 * (end == "stopped_early")
        metrics = {} if end == "not_finite" else {"val_acc": value, "val_loss": 1 - value}
        proposals.tell(proposal, Outcome(end, metrics, 2 if end == "stopped_early" else 8))
    return [*records(study)], space


def of(found: Answer | None, choice_: str) -> tuple[float, float, float]:
    assert found is not None
    [effect] = [effect for effect in found.effects if effect.choice == choice_]
    return effect.low, effect.worth, effect.high


@pytest.mark.parametrize("ends", [("complete",), ("complete", "stopped_early", "not_finite")])
def test_the_choice_that_pays_is_found_in_points(ends: tuple[End, ...]) -> None:
    found = answer(*searched(ends=ends), cost)
    low, worth, high = of(found, "SE in stage 4")
    assert 2.5 < low < worth < high < 7.5
    low, worth, high = of(found, "SE in stage 2")
    assert low < 0 < high
    assert found is not None
    assert found.advice.startswith("SE in stage 4 is worth +")
    assert " points, for " in found.advice


def test_a_smaller_loss_is_the_better() -> None:
    found = answer(*searched(minimize("val_loss")), cost)
    assert of(found, "SE in stage 4")[0] > 0.02
    assert found is not None
    assert {effect.unit for effect in found.effects} == {"of val_loss"}


def test_with_several_objectives_it_is_of_the_one_that_training_decides() -> None:
    found = answer(*searched(minimize("params"), maximize("val_acc")), cost)
    assert of(found, "SE in stage 4")[0] > 2.5


def test_few_trials_and_one_network_give_no_answer() -> None:
    assert answer(*searched(trials=LEAST_TRIALS - 1), cost) is None
    trials, _ = searched()
    assert answer(trials, Space("s", trunk="resnet8_small"), cost) is None


def test_networks_that_break_a_constraint_do_not_count() -> None:
    trials, space = searched()
    limit = statistics.median(cost(architecture).params for architecture in space)
    small = Space("s", trunk=TRUNK, se=BLOCKS, constraints=[params <= limit])
    of_all, of_small = answer(trials, space, cost), answer(trials, small, cost)
    assert of_all is not None
    assert of_small is not None
    assert of_small.effects[2].params < of_all.effects[2].params


def timed(architecture: Architecture) -> TimedCost:
    return TimedCost(**asdict(cost(architecture)), latency_ms=1.0 + sum(map(bool, architecture.se)))


def test_the_table_names_choices_with_their_worths_and_prices() -> None:
    found = answer(*searched(), timed)
    assert found is not None
    file = io.StringIO()
    show_answer(Console(file=file, width=120), found)
    text = file.getvalue()
    assert "points (95 %)" in text
    [row] = [line for line in text.splitlines() if line.startswith(" SE in stage 4 ")]
    assert row.split()[4] == "+" + f"{of(found, 'SE in stage 4')[1]:.2f}"
    assert row.split()[-1] == "+1.000"
    assert "gate tanh against sigmoid" in text
    assert "in stage 2 2 against" not in text
    assert "more, of single stages, are in results.json" in text
    assert text.splitlines()[-1].startswith("SE in stage 4 is worth")
    assert sum(" ± " in line for line in text.splitlines()) <= ROWS + 1


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    found = answer(*searched(), cost)
    assert found is not None
    run = RunDirectory(tmp_path)
    run.write(RESULTS, json.loads(json.dumps(found.to_dict())))
    assert read_answer(run) == (found.advice, found.effects)
    run.write(RESULTS, {})
    assert read_answer(run) == ("", ())


def test_what_random_search_would_find_is_foreseen() -> None:
    recs, space = searched(trials=300, ends=("complete", "stopped_early"))
    found = answer(recs, space, cost)
    assert found is not None
    rng = random.Random(1)
    seen = {network.id: network for network in map(space.sample, range(170))}  # none comes again
    share = statistics.fmean(network.stages[4] is not None for network in seen.values())

    def truth() -> float:
        return rng.gauss(0.7 + 0.05 * (rng.random() < share), 0.01)

    def foreseen() -> float:
        return rng.gauss(*rng.choice(found.at_random))

    for count in (1, 10, 30):
        best, wanted = (
            statistics.fmean(max(draw() for _ in range(count)) for _ in range(2000))
            for draw in (foreseen, truth)
        )
        assert best == pytest.approx(wanted, abs=0.004), count
    losses, space = searched(minimize("val_loss"), trials=100)
    found = answer(losses, space, cost)
    assert found is not None
    mean = statistics.fmean(mean for mean, _ in found.at_random)
    assert mean == pytest.approx(0.3 - 0.05 * share, abs=0.01)
