"""The spaces in other people's scripts: a plain Optuna study, stock Ray Tune's OptunaSearch."""

from __future__ import annotations

import warnings
from typing import Any

import optuna

from se_nas import Architecture
from se_nas.space.space_files import load_space


def test_in_a_plain_optuna_study() -> None:
    space = load_space("digits_se")

    def objective(trial: optuna.Trial) -> float:
        return float(len(str(space.suggest(trial))))

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=30)
    for trial in study.trials:
        assert ("stage2.se.reduction" in trial.params) == (trial.params["stage2.se"] != "none")
    assert study.best_value == len("resnet8_small")


def test_in_stock_ray_tunes_optuna_search() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ray 2.60 calls what Optuna 5 has deprecated
        from ray.tune.search.optuna import OptunaSearch

        space = load_space("mobile_se")

        def define(trial: optuna.Trial) -> dict[str, Any]:
            return {"architecture": str(space.suggest(trial))}

        search = OptunaSearch(define, metric="val_acc", mode="max", seed=0)
        for i in range(12):
            config = search.suggest(str(i))
            assert Architecture.parse(config["architecture"]) in space
            search.on_trial_complete(str(i), {"val_acc": i / 12})
