"""Optuna's own views: parameters that matter come first, and lines have their values."""

from __future__ import annotations

import json
import random

import optuna
import pytest

from se_nas.search.study.visualisations import importances, parallel_coordinates


def study(trials: int, weight: float = 1.0) -> optuna.Study:
    """A conditional space in which ``a`` decides, ``b`` has no part and ``c`` is there at times."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.RandomSampler(seed=0)
    made = optuna.create_study(direction="maximize", sampler=sampler)
    rng = random.Random(0)
    for _ in range(trials):
        trial = made.ask()
        a = trial.suggest_categorical("a", [0, 1])
        trial.suggest_categorical("b", [0, 1, 2])
        if a:
            trial.suggest_categorical("c", [0, 1])
        made.tell(trial, weight * (a + 0.01 * rng.random()))
    return made


def test_what_decides_is_first() -> None:
    found = importances(study(60))
    assert found[0][0] == "a"
    assert found[0][1] > 0.5
    assert sum(share for _, share in found) == pytest.approx(1)
    assert [share for _, share in found] == sorted((s for _, s in found), reverse=True)


def test_too_few_trials_and_trials_that_are_alike_say_nothing() -> None:
    assert importances(study(9)) == []
    assert importances(study(60, weight=0.0)) == []


def test_lines_go_through_the_values_and_choices() -> None:
    rows = [({"trunk": "t1", "stage 2": "r4"}, 10.0), ({"trunk": "t2", "stage 2": "none"}, 20.0)]
    found = json.loads(parallel_coordinates(rows, "maximize", "val_acc %"))
    lines = [dict(d["customdata"]) for d in found["data"] if d.get("mode") == "lines"]
    assert lines == [
        {"val_acc %": "10", "trunk": "t1", "stage 2": "r4"},
        {"val_acc %": "20", "trunk": "t2", "stage 2": "none"},
    ]
