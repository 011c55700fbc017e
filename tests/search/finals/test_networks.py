"""The end of a search: who wins, which controls, what is claimed."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from scipy import stats

from se_nas import SE, Architecture, maximize, minimize
from se_nas.additive.contrasts import Estimate
from se_nas.cost.network_cost import cost
from se_nas.search.finals.networks import FinalNetwork, best_weights, winner
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


def test_a_network_that_was_dropped_does_not_win_by_the_luck_of_few_seeds() -> None:
    dropped = final("best 1", SE(4), (0.9, 0.9), val_acc=0.8)
    whole = final("best 2", SE(8), (0.7, 0.7, 0.7), val_acc=0.7)
    assert winner([dropped, whole], VAL_ACC) is whole


@pytest.mark.parametrize(
    ("se_accs", "plain_accs", "expected"),
    [
        (
            (0.90, 0.91, 0.92),
            (0.80, 0.81, 0.82),
            "+10.00 ± 2.27 points (3 seeds, p < 0.001): SE won.",
        ),
        (
            (0.80, 0.81, 0.82),
            (0.90, 0.91, 0.92),
            "-10.00 ± 2.27 points (3 seeds, p < 0.001): SE lost.",
        ),
        ((0.80, 0.90, 0.85), (0.80, 0.88, 0.84), "not to be told apart"),
        (
            (0.80, 0.80),
            (0.80, 0.80),
            "+0.00 ± 0.00 points (2 seeds, p = 1.00): not to be told apart.",
        ),
        (
            (0.80, 0.80 + 1e-16),
            (0.80, 0.80),
            "+0.00 ± 0.00 points (2 seeds, p = 1.00): not to be told apart.",
        ),
        ((0.81, 0.81, 0.81), (0.80, 0.80, 0.80), "+1.00 points (3 seeds without any spread): no v"),
        (
            (0.81, 0.81, 0.81),
            (0.80, 0.80, 0.81),
            "+0.67 ± 1.43 points (3 seeds, p = 0.18): not to be",
        ),
        (
            (0.90, 0.90, 0.90),
            (0.80, 0.80, 0.81),
            "+9.67 ± 1.43 points (3 seeds, p = 0.001): SE won.",
        ),
        ((0.90, 0.90 + 1e-15), (0.80, 0.81), "+9.50 ± 6.35 points (2 seeds, p = 0.033): SE won."),
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


def test_the_interval_has_the_difference_in_19_of_20_cases() -> None:
    rng = random.Random(0)
    covered = 0
    for _ in range(500):
        accs = [[rng.gauss(mean, 0.01) for _ in range(3)] for mean in (0.9, 0.88)]
        rows = [final("best 1", SE(4), accs[0]), final("no SE", None, accs[1], search_value=None)]
        found = re.search(r"([+-][\d.]+) ± ([\d.]+) points", verdict(rows, VAL_ACC))
        assert found is not None
        gain, half = map(float, found.groups())
        covered += abs(gain - 2) <= half
    assert 0.93 <= covered / 500 <= 0.985


def test_what_the_trials_tell_stands_beside_it_and_both_are_put_together() -> None:
    plain = final("no SE", None, (0.80, 0.81, 0.82), search_value=None)
    best = final("best 1", SE(4), (0.81, 0.82, 0.83))

    def believed(one: Architecture, other: Architecture) -> Estimate:
        assert (one, other) == (best.architecture, plain.architecture)
        return Estimate(3.0, 3.0 - 2.27, 3.0 + 2.27)

    said = verdict([best, plain], VAL_ACC, believed)
    assert "+1.00 ± 2.27 points (3 seeds, p = 0.29): not to be told apart. By all trials" in said
    assert said.endswith("it is +3.00 ± 2.27 points in validation; both together: +2.00 ± 1.60.")
    assert "By all" not in verdict([best, plain], VAL_ACC, lambda *_: Estimate(0, 0, 0))


def test_a_winner_without_se_is_said_to_be_one_and_compared_with_se_everywhere() -> None:
    best = final("best 1 = no SE", None, (0.90, 0.91, 0.92))
    control = final("SE r16", SE(), (0.80, 0.81, 0.82), search_value=None)
    said = verdict([best, control], VAL_ACC)
    assert said.startswith("SE did not win: the best network of the search has no SE. ")
    assert "-10.00 ± 2.27 points (3 seeds, p < 0.001): that control lost." in said


def test_the_spread_is_the_standard_deviation_over_seeds() -> None:
    assert final("x", None, (0.1, 0.2, 0.3)).spread("test_acc") == pytest.approx(0.1)
    assert final("x", None, (0.1,)).spread("test_acc") == 0


def test_rare_classes_decide_where_they_are_the_objective() -> None:
    def scored(row: FinalNetwork, val: float, test: Sequence[float]) -> FinalNetwork:
        more = [{"balanced_accuracy": val, "test_balanced_accuracy": each} for each in test]
        runs = zip(row.runs, more, strict=True)
        return replace(row, runs=tuple(replace(run, more=own) for run, own in runs))

    often = scored(final("best 1", SE(8), (0.9, 0.9), val_acc=0.9), 0.5, (0.5, 0.51))
    rare = scored(final("best 2", SE(4), (0.8, 0.8), val_acc=0.8), 0.7, (0.7, 0.71))
    plain = scored(final("no SE", None, (0.9, 0.9), search_value=None), 0.6, (0.6, 0.61))
    balanced = maximize("balanced_accuracy")
    assert winner([often, rare, plain], balanced) is rare
    assert winner([often, rare, plain], VAL_ACC) is often
    said = verdict([often, rare, plain], balanced)
    assert said.startswith("test balanced accuracy against the same trunk without SE: +10.00 ±")
    assert "more" in rare.to_dict()
    # A training of the user's own that tells its test accuracy alone:
    alone = [replace(row, runs=final("x", None, (0.8, 0.81)).runs) for row in (rare, plain)]
    told = [replace(run, more={"balanced_accuracy": 0.5}) for run in alone[0].runs]
    rows = [replace(row, runs=tuple(told)) for row in alone]
    assert verdict(rows, balanced).startswith("test accuracy against")
