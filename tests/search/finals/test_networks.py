"""The end of a search: who wins, which controls, what is claimed."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence

import pytest
from scipy import stats

from se_nas import SE, Architecture, maximize, minimize
from se_nas.cost.network_cost import cost
from se_nas.search.finals.networks import (
    FinalNetwork,
    best_weights,
    control_architectures,
    retrain,
    winner,
)
from se_nas.search.finals.verdict import verdict
from se_nas.search.worker.retrain import RetrainResult

TRUNK = "resnet8_small"
VAL_ACC = maximize("val_acc")


def final(
    role: str,
    se: SE | None,
    test_accs: Sequence[float],
    val_acc: float = 0.5,
    val_loss: float = 1.0,
    search_value: float | None = 0.5,
) -> FinalNetwork:
    architecture = Architecture(TRUNK, se)
    runs = tuple(RetrainResult("complete", val_acc, val_loss, accuracy) for accuracy in test_accs)
    return FinalNetwork(
        tuple(role.split(" = ")), architecture, cost(architecture), search_value, runs
    )


def test_the_winner_is_chosen_by_validation_and_is_no_control() -> None:
    high_test = final("best 1", SE(4), (0.9, 0.9), val_acc=0.6, val_loss=0.1)
    high_val = final("best 2", SE(8), (0.7, 0.7), val_acc=0.7, val_loss=0.2)
    control = final("no SE", None, (1.0, 1.0), val_acc=0.9, val_loss=0.0, search_value=None)
    assert winner([high_test, high_val, control], VAL_ACC) is high_val
    assert winner([high_test, high_val, control], minimize("val_loss")) is high_test


def test_a_network_that_failed_with_every_seed_does_not_win() -> None:
    failed = FinalNetwork(
        ("best 1",), Architecture(TRUNK), cost(TRUNK), 0.9, (RetrainResult("not_finite"),)
    )
    fine = final("best 2", SE(8), (0.7,), val_acc=0.1)
    assert winner([failed, fine], VAL_ACC) is fine
    assert math.isnan(failed.mean("test_acc"))
    assert best_weights(failed) == b""


def test_the_controls_have_the_winners_trunk() -> None:
    found = dict(control_architectures(Architecture.parse("se_resnet8_small-width8_s3_r4_max")))
    assert str(found["no SE"]) == "resnet8_small-width8"
    assert str(found["SE r16"]) == "se_resnet8_small-width8_r16"


def test_retraining_trains_the_best_then_the_controls_of_the_winner_each_once() -> None:
    asked: list[tuple[str, str, int]] = []

    def train(pairs: Sequence[tuple[Architecture, int]], what: str) -> list[RetrainResult]:
        asked.extend((what, str(a), seed) for a, seed in pairs)
        good = "width8"
        return [
            RetrainResult("complete", 0.9 if good in str(a) else 0.1, 1.0, 0.5) for a, _ in pairs
        ]

    best = [
        (Architecture.parse("se_resnet8_small_s3_r4"), 0.9),
        (Architecture.parse("resnet8_small-width8"), 0.8),
    ]
    rows = retrain(best, train, range(2), cost, VAL_ACC)
    assert [row.role for row in rows] == ["best 1", "best 2 = no SE", "SE r16"]
    assert str(rows[2].architecture) == "se_resnet8_small-width8_r16"
    assert len(asked) == len(set(asked)) == 6
    assert [what for what, _, _ in asked] == ["the best"] * 4 + ["the controls"] * 2
    json.dumps([row.to_dict() for row in rows])


@pytest.mark.parametrize(
    ("se_accs", "plain_accs", "expected"),
    [
        ((0.90, 0.91, 0.92), (0.80, 0.81, 0.82), "+10.00 points (3 seeds, p < 0.001): SE won."),
        ((0.80, 0.81, 0.82), (0.90, 0.91, 0.92), "-10.00 points (3 seeds, p < 0.001): SE lost."),
        ((0.80, 0.90, 0.85), (0.80, 0.88, 0.84), "not to be told apart"),
        ((0.80, 0.80), (0.80, 0.80), "(2 seeds, p = 1.00): not to be told apart"),
        ((0.80, 0.80 + 1e-16), (0.80, 0.80), "(2 seeds, p = 1.00): not to be told apart"),
        ((0.81, 0.81, 0.81), (0.80, 0.80, 0.80), "+1.00 points (3 seeds without any spread): no v"),
        ((0.81, 0.81, 0.81), (0.80, 0.80, 0.81), "+0.67 points (3 seeds, p = 0.18): not to be"),
        ((0.90, 0.90, 0.90), (0.80, 0.80, 0.81), "+9.67 points (3 seeds, p = 0.001): SE won."),
        ((0.90, 0.90 + 1e-15), (0.80, 0.81), "+9.50 points (2 seeds, p = 0.033): SE won."),
        ((0.80,), (0.70,), "no verdict"),
        ((), (0.70, 0.8), "no verdict"),
    ],
)
def test_the_verdict_is_no_more_than_the_seeds_support(
    se_accs: tuple[float, ...], plain_accs: tuple[float, ...], expected: str
) -> None:
    rows = [final("best 1", SE(4), se_accs), final("no SE", None, plain_accs, search_value=None)]
    assert expected in verdict(rows, VAL_ACC)


def test_the_test_is_scipys_where_scipy_can_do_it() -> None:
    rng = random.Random(0)
    for _ in range(50):
        a, b = ([rng.random() for _ in range(rng.randint(2, 6))] for _ in range(2))
        p = float(stats.ttest_ind(a, b, equal_var=False).pvalue)
        rows = [final("best 1", SE(4), a), final("no SE", None, b, search_value=None)]
        assert (f"p = {p:.2f})" if p >= 0.1 else f"p = {p:.3f})") in verdict(rows, VAL_ACC)


def test_a_difference_that_is_none_is_claimed_in_five_percent_of_cases() -> None:
    rng = random.Random(0)
    claims = 0
    for _ in range(1000):
        accs = [[rng.gauss(0.9, 0.01) for _ in range(3)] for _ in range(2)]
        rows = [final("best 1", SE(4), accs[0]), final("no SE", None, accs[1], search_value=None)]
        claims += "not to be told apart" not in verdict(rows, VAL_ACC)
    assert 0.01 < claims / 1000 < 0.07


def test_a_winner_without_se_is_said_to_be_one_and_compared_with_se_everywhere() -> None:
    best = final("best 1 = no SE", None, (0.90, 0.91, 0.92))
    control = final("SE r16", SE(), (0.80, 0.81, 0.82), search_value=None)
    said = verdict([best, control], VAL_ACC)
    assert said.startswith("SE did not win: the best network of the search has no SE. ")
    assert "-10.00 points (3 seeds, p < 0.001): that control lost." in said


def test_the_spread_is_the_standard_deviation_over_seeds() -> None:
    assert final("x", None, (0.1, 0.2, 0.3)).test_spread == pytest.approx(0.1)
    assert final("x", None, (0.1,)).test_spread == 0
