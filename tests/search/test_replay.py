"""A recorded order of asks and tells gives the same proposals again: no Ray here."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import optuna
import pytest

from se_nas import SE, Space, choice, maximize, minimize, optional, params, per_stage, trunk
from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Cost, cost
from se_nas.search.config import SearchConfig
from se_nas.search.replay import compare, replay
from se_nas.search.run_dir import directory, new_run
from se_nas.search.study import study
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.records import SESSIONS, Outcome, Proposal
from se_nas.search.study.recovery import recover
from se_nas.search.study.study import propose

SPACE = Space(
    "small",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4, 8)))),
    constraints=[params <= 85_000],
)
TWO = Space(
    "two", trunk=SPACE.trunk, se=SPACE.se, objectives=[maximize("val_acc"), minimize("macs")]
)
ENDS = ("complete", "complete", "stopped_early", "out_of_memory", "error")


def price(architecture: Architecture) -> Cost:
    return cost(architecture, input_size=8, in_channels=1, num_classes=10)


def work(proposals: Proposals, rng: random.Random, slots: int, left_running: int = 0) -> None:
    """Workers that end in an order of their own."""
    running: list[Proposal] = []
    while True:
        while len(running) < slots and (proposal := proposals.ask()) is not None:
            running.append(proposal)
        if (
            not running
            or len(running) < slots - left_running
            or (left_running and proposals.counts.accepted >= 12)
        ):
            return
        proposal = running.pop(rng.randrange(len(running)))
        end = rng.choice(ENDS)
        metrics = {"val_acc": rng.random()}
        proposals.report(proposal, 1, metrics)
        proposals.tell(proposal, Outcome(end, metrics, 1))  # type: ignore[arg-type]


def make(tmp_path: Path, space: Space, sampler: str, trials: int = 20) -> tuple[SearchConfig, str]:
    config = SearchConfig(
        sampler=sampler, trials=trials, seed=3, out=str(tmp_path), name="r", gpus=0
    )
    run = new_run.create(space, config)
    opened = study.create_study(space, config, run)
    work(propose(opened, space, price, config), random.Random(1), slots=4)
    return config, str(run.path)


@pytest.mark.parametrize(
    ("sampler", "space"),
    [("additive", SPACE), ("tpe", SPACE), ("random", SPACE), ("nsga2", TWO), ("grid", SPACE)],
)
def test_a_run_of_many_workers_is_replayed_to_the_same_proposals(
    tmp_path: Path, sampler: str, space: Space
) -> None:
    config, path = make(tmp_path, space, sampler)
    recorded = study.read_study(config, directory.find(path, ""))
    assert recorded.user_attrs["sessions"] == [{"events": 0, "trials": 20, "seed": 3}]
    found = compare(recorded, space, config, price)
    assert found.different is None, found
    assert found.asks == 20


def swapped(recorded: optuna.Study, *numbers: int) -> optuna.Study:
    """A study in which two trials were told each at the other's turn."""
    trials = recorded.get_trials()
    told = {number: trials[number].user_attrs["told"] for number in numbers}
    for number, other in zip(numbers, numbers[::-1], strict=True):
        trials[number].user_attrs["told"] = told[other]
    copy = optuna.create_study(direction="maximize")
    copy.add_trials(trials)
    for key, value in recorded.user_attrs.items():
        copy.set_user_attr(key, value)
    return copy


def test_another_seed_or_another_order_proposes_something_else(tmp_path: Path) -> None:
    config, path = make(tmp_path, SPACE, "tpe")
    recorded = study.read_study(config, directory.find(path, ""))
    sessions = recorded.user_attrs[SESSIONS]
    recorded.set_user_attr(SESSIONS, [session | {"seed": 4} for session in sessions])
    found = compare(recorded, SPACE, config, price)
    assert found.different is not None
    assert "differs" in str(found)
    recorded.set_user_attr(SESSIONS, sessions)

    ended = [
        t.user_attrs | {"number": t.number}
        for t in recorded.trials
        if {"id", "told"} <= set(t.user_attrs)
    ]
    pairs = [
        (one["number"], other["number"])
        for one, other in combinations(ended, 2)
        # Both in training when the first of them ended, and an ask before the second.
        if max(one["asked"], other["asked"]) < min(one["told"], other["told"])
        and abs(one["told"] - other["told"]) > 1
    ]
    unmoved = swapped(recorded, ended[0]["number"], ended[0]["number"])
    assert compare(unmoved, SPACE, config, price).different is None
    orders = [compare(swapped(recorded, *pair), SPACE, config, price) for pair in pairs[::6]]
    assert any(found.different is not None for found in orders)


@pytest.mark.parametrize("sampler", ["additive", "tpe"])
def test_a_run_that_was_taken_up_is_replayed_over_the_cut(tmp_path: Path, sampler: str) -> None:
    config = SearchConfig(sampler=sampler, trials=24, seed=3, out=str(tmp_path), name="r", gpus=0)
    run = new_run.create(SPACE, config)
    first = propose(study.create_study(SPACE, config, run), SPACE, price, config)
    work(first, random.Random(1), slots=4, left_running=3)
    opened = study.create_study(SPACE, config, run, resume=True)
    assert opened.get_trials(states=(optuna.trial.TrialState.RUNNING,))
    second = propose(opened, SPACE, price, config)
    recover(second)
    work(second, random.Random(2), slots=3)
    recorded = study.read_study(config, run)
    assert len(recorded.user_attrs["sessions"]) == 2
    found = compare(recorded, SPACE, config, price)
    assert found.different is None, found
    assert found.asks >= 24


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_run_that_found_nothing_more_and_was_taken_up_is_replayed(
    tmp_path: Path, sampler: str
) -> None:
    """The last ask left proposals behind that trained nothing; what failed comes again."""
    space = Space("tiny", trunk="resnet8_small", se=per_stage(optional(SE(reduction=choice(2, 4)))))
    config = SearchConfig(sampler=sampler, trials=99, seed=3, out=str(tmp_path), name="r", gpus=0)
    run = new_run.create(space, config)
    first = propose(study.create_study(space, config, run), space, price, config)
    work(first, random.Random(1), slots=4)
    assert first.exhausted
    assert first.counts.ends["error"] > 1
    more = replace(config, trials=120)
    opened = study.create_study(space, more, run, resume=True)
    second = propose(opened, space, price, more)
    recover(second)
    work(second, random.Random(2), slots=3)
    recorded = study.read_study(more, run)
    found = compare(recorded, space, more, price)
    assert found.different is None, found
    assert found.asks == first.counts.accepted + first.counts.ends["error"]
    sessions = recorded.user_attrs["sessions"]
    assert [session["trials"] for session in sessions] == [99, 120]
    sessions[1]["seed"] += 1
    recorded.set_user_attr("sessions", sessions)
    assert compare(recorded, space, more, price).different is not None


def test_a_run_is_replayed_from_its_folder(tmp_path: Path) -> None:
    _, path = make(tmp_path, SPACE, "tpe", trials=8)
    before = {file: file.read_bytes() for file in Path(path).rglob("*") if file.is_file()}
    assert str(replay(path)) == "all 8 proposals are the same"
    assert {file: file.read_bytes() for file in Path(path).rglob("*") if file.is_file()} == before
