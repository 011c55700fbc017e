"""Doubts are told where figures raise them, and only there."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from se_nas import SE, Architecture, data
from se_nas.cost.network_cost import cost
from se_nas.search.finals.networks import FinalNetwork
from se_nas.search.results.doubts import at_chance, doubts, mostly_noise, still_rising
from se_nas.search.study.records import Outcome, Record
from se_nas.search.worker.retrain import RetrainResult


def final(*val_accs: float) -> FinalNetwork:
    architecture = Architecture("resnet8_small", SE(16))
    runs = tuple(RetrainResult("complete", value, 2.3, value) for value in val_accs)
    return FinalNetwork(("best 1",), architecture, cost(architecture), 0.5, runs)


@pytest.mark.parametrize(("val_acc", "said"), [(0.09, True), (0.12, True), (0.2, False)])
def test_a_winner_that_knows_nothing_is_said_to(val_acc: float, said: bool) -> None:
    notes = list(at_chance(final(val_acc), data.load("digits")))
    assert bool(notes) == said
    if said:
        assert f"{100 * val_acc:.1f} %" in notes[0]
        assert "--epochs" in notes[0]


@pytest.mark.parametrize(("gain", "said"), [(0.05, True), (0.001, False)])
def test_networks_that_still_learn_are_told(gain: float, said: bool) -> None:
    curves = [[0.5, 0.6, 0.7, 0.7 + i / 100, 0.7 + i / 100 + gain] for i in range(5)]
    found = list(still_rising(curves))
    assert bool(found) == said
    if said:
        assert "in the last of their 5 epochs networks gained 5.0 points" in found[0]
        assert "differ by ± 1.6" in found[0]
        assert "--epochs 10" in found[0]


def test_the_last_quarter_of_the_epochs_counts() -> None:
    curves = [[0.5] * 6 + [0.6, 0.7 + i / 1000] for i in range(5)]
    assert "the last 2 of their 8 epochs networks gained 20.2" in next(still_rising(curves))


@pytest.mark.parametrize("curves", [[], [[0.1, 0.9]] * 4, [[0.5]] * 9])
def test_few_trials_or_one_epoch_raise_no_doubt(curves: list[list[float]]) -> None:
    assert list(still_rising(curves)) == []


@pytest.mark.parametrize(("spread", "said"), [(0.16, True), (0.001, False)])
def test_seeds_that_spread_as_far_as_trials_differ_are_told(spread: float, said: bool) -> None:
    rows = [final(0.5, 0.5 + spread, 0.5 - spread), final(0.4, 0.4 + spread)]
    found = list(mostly_noise([0.5, 0.52, 0.48, 0.55, 0.45], rows))
    assert bool(found) == said
    if said:
        assert "by ± 14.6 points, and the trials differ by ± 3.8" in found[0]
        assert "--trials" in found[0]


@pytest.mark.parametrize(("values", "rows"), [([0.5] * 4, [final(0.1, 0.9)]), ([0.5, 0.6] * 5,
                         [final(0.1)]), ([0.5, 0.6] * 5, [final()])])  # fmt: skip
def test_without_seeds_or_trials_nothing_is_known_of_noise(
    values: list[float], rows: list[FinalNetwork]
) -> None:
    assert list(mostly_noise(values, rows)) == []


def test_all_doubts_of_a_search_are_told() -> None:
    rng = random.Random(0)
    outcomes = [
        Outcome("complete", {}, curve=[{"val_acc": 0.1}, {"val_acc": 0.3 + rng.gauss(0, 0.01)}])
        for _ in range(6)
    ]
    outcomes.append(Outcome("stopped_early", {}, curve=[{"val_acc": 0.0}]))
    outcomes.append(Outcome("complete", {}, curve=[{"lines": 3.0}]))  # of a user's own training
    trials = [Record(i, "ended", outcome=outcome) for i, outcome in enumerate(outcomes)]
    trials.append(Record(9, "running"))
    best = final(0.08, 0.12)
    images: Any = data.load("digits")
    assert [line.split(":")[0][:24] for line in doubts(trials, [best], best, images)] == [
        "the winner is at chance",
        "in the last of their 2 e",
        "seeds spread accuracy by",
    ]
    good = final(0.981, 0.981)
    shape: Any = SimpleNamespace()
    assert doubts([], [good], good, shape) == []
