"""The end of a search: who wins, which controls, what is claimed."""

from __future__ import annotations

import pytest

from se_nas import SE, Architecture
from se_nas.cost import cost
from se_nas.search.finals import Final, control_architectures, verdict, winner

TRUNK = "resnet8_small"


def final(
    role: str,
    se: SE | None,
    test_accs: tuple[float, ...],
    val_accs: tuple[float, ...] = (0.5, 0.5, 0.5),
    search_value: float | None = 0.5,
) -> Final:
    architecture = Architecture(TRUNK, se)
    return Final(role, architecture, cost(architecture), search_value, val_accs, test_accs)


def test_the_winner_is_chosen_by_validation_and_is_no_control() -> None:
    high_test = final("best 1", SE(4), (0.9, 0.9, 0.9), (0.6, 0.6, 0.6))
    high_val = final("best 2", SE(8), (0.7, 0.7, 0.7), (0.7, 0.7, 0.7))
    control = final("no SE", None, (1.0, 1.0, 1.0), (0.9, 0.9, 0.9), search_value=None)
    assert winner([high_test, high_val, control]) is high_val


def test_the_controls_have_the_winners_trunk() -> None:
    found = dict(control_architectures(Architecture.parse("se_resnet8_small-width8_s3_r4_max")))
    assert str(found["no SE"]) == "resnet8_small-width8"
    assert str(found["SE r16"]) == "se_resnet8_small-width8_r16"


@pytest.mark.parametrize(
    ("se_accs", "plain_accs", "expected"),
    [
        ((0.90, 0.91, 0.92), (0.80, 0.81, 0.82), "+10.00 points ± 0.82 (3 seeds): SE won."),
        ((0.80, 0.81, 0.82), (0.90, 0.91, 0.92), "-10.00 points ± 0.82 (3 seeds): SE lost."),
        ((0.80, 0.90, 0.85), (0.80, 0.88, 0.84), "not to be told apart"),
        ((0.80,), (0.70,), "no verdict"),
    ],
)
def test_the_verdict_is_no_more_than_the_seeds_support(
    se_accs: tuple[float, ...], plain_accs: tuple[float, ...], expected: str
) -> None:
    rows = [final("best 1", SE(4), se_accs), final("no SE", None, plain_accs, search_value=None)]
    assert expected in verdict(rows)


def test_a_winner_without_se_is_said_to_be_one() -> None:
    rows = [final("best 1 = no SE", None, (0.9, 0.9)), final("SE r16", SE(), (0.8, 0.8))]
    assert verdict(rows).startswith("SE did not win")


def test_the_spread_is_the_standard_deviation_over_seeds() -> None:
    assert final("x", None, (0.1, 0.2, 0.3)).test_spread == pytest.approx(0.1)
    assert final("x", None, (0.1,)).test_spread == 0
