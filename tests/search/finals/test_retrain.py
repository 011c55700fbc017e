"""The best race, then the controls are trained with the same seeds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from zlib import crc32

import pytest

from se_nas import Architecture, maximize, minimize
from se_nas.cost.network_cost import cost
from se_nas.search.finals.controls import control_architectures
from se_nas.search.finals.networks import winner
from se_nas.search.finals.racing import Budget
from se_nas.search.finals.retrain import retrain
from se_nas.search.worker.retrain import RetrainResult

VAL_ACC = maximize("val_acc")
BEST = [
    (Architecture.parse("se_resnet8_small_s3_r4"), 0.9),
    (Architecture.parse("resnet8_small-width8"), 0.8),
    (Architecture.parse("se_resnet8_small_s2_r4"), 0.7),
]


class Trainer:
    """Trains by a table of accuracies, with an error that depends on the seed."""

    def __init__(self, accuracies: dict[str, float], noise: float = 0.001) -> None:
        self.accuracies, self.noise = accuracies, noise
        self.asked: list[tuple[str, str, int]] = []

    def __call__(self, pairs: Sequence[tuple[Architecture, int]], what: str) -> list[RetrainResult]:
        self.asked += [(what, str(a), seed) for a, seed in pairs]
        return [self._result(str(a), seed) for a, seed in pairs]

    def _result(self, name: str, seed: int) -> RetrainResult:
        own = crc32(f"{name} {seed}".encode()) % 3
        value = self.accuracies.get(name, 0.1) + self.noise * (seed * 7919 % 13 + own)
        return RetrainResult("complete", value, 1 - value, 0.5)


@pytest.mark.parametrize("objective", [VAL_ACC, minimize("val_loss")])
def test_the_best_are_trained_then_the_controls_of_the_winner_each_seed_once(
    objective: object,
) -> None:
    train = Trainer({"resnet8_small-width8": 0.9}, noise=0.0)
    rows = retrain(BEST[:2], control_architectures, train, cost, objective, Budget(2))  # type: ignore[arg-type]
    assert [row.role for row in rows] == ["best 1", "best 2 = no SE", "SE r16"]
    assert str(rows[2].architecture) == "se_resnet8_small-width8_r16"
    assert len(train.asked) == len(set(train.asked)) == 6
    assert [what for what, _, _ in train.asked] == ["the best"] * 4 + ["the controls"] * 2
    assert {seed for _, _, seed in train.asked} == {0, 1}
    json.dumps([row.to_dict() for row in rows])


def test_what_is_clearly_worse_gets_no_more_seeds() -> None:
    train = Trainer({"se_resnet8_small_s3_r4": 0.9, "se_resnet8_small_s2_r4": 0.9002})
    rows = retrain(BEST, control_architectures, train, cost, VAL_ACC, Budget(4), first_seed=5)
    assert [len(row.runs) for row in rows] == [4, 2, 4, 4, 4]
    assert {seed for _, _, seed in train.asked} == {5, 6, 7, 8}
    assert str(winner(rows, VAL_ACC).architecture).startswith("se_resnet8_small_s")


def test_all_run_at_once_where_there_is_room() -> None:
    train = Trainer({})
    retrain(BEST, control_architectures, train, cost, VAL_ACC, Budget(3, at_once=16))
    assert [what for what, _, _ in train.asked[:9]] == ["the best"] * 9


def test_with_a_budget_the_seeds_go_to_the_winner_and_its_controls() -> None:
    train = Trainer({"se_resnet8_small_s3_r4": 0.9}, noise=0.0)
    rows = retrain(BEST, control_architectures, train, cost, VAL_ACC, Budget(3, runs=24))
    assert Counter(row.role for row in rows).total() == 5
    assert [len(row.runs) for row in rows] == [6, 2, 2, 6, 6]
    assert len(train.asked) == 22 <= 24


def test_a_control_that_was_dropped_is_trained_on_for_the_verdict() -> None:
    train = Trainer({"se_resnet8_small-width8_s3_r4": 0.9}, noise=0.0)
    best = [(Architecture.parse("se_resnet8_small-width8_s3_r4"), 0.9), BEST[1]]
    rows = retrain(best, control_architectures, train, cost, VAL_ACC, Budget(3))
    assert [(row.role, len(row.runs)) for row in rows] == [
        ("best 1", 3), ("best 2 = no SE", 3), ("SE r16", 3)
    ]  # fmt: skip
    assert len(train.asked) == len(set(train.asked)) == 9


def test_controls_that_are_one_network_are_trained_once() -> None:
    def controls(architecture: Architecture) -> list[tuple[str, Architecture]]:
        plain = Architecture(architecture.trunk)
        return [("no SE", plain), ("early best", plain)]

    rows = retrain(BEST[:1], controls, Trainer({}), cost, VAL_ACC, Budget(1))
    assert [row.role for row in rows] == ["best 1", "no SE"]
