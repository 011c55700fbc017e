"""Samplers by name and by import path."""

from __future__ import annotations

import optuna
import pytest
from optuna.samplers import (
    BaseSampler,
    BruteForceSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from se_nas.errors import InputError
from se_nas.search.config import SAMPLERS, SearchConfig
from se_nas.search.study import samplers
from se_nas.search.study.additive_sampler import AdditiveSampler


class Fixed(optuna.samplers.RandomSampler):
    """A user's own."""

    def __init__(self, seed: int) -> None:
        self.given = seed
        super().__init__(seed)


class Needs(optuna.samplers.RandomSampler):
    """One that cannot be made from a name."""

    def __init__(self, grid: dict[str, list[float]]) -> None:
        super().__init__()


def test_every_name_that_the_settings_allow_is_built() -> None:
    assert set(SAMPLERS) == set(samplers.BUILD_SAMPLER)
    kinds: dict[str, type[BaseSampler]] = {
        "additive": AdditiveSampler,
        "tpe": TPESampler,
        "random": RandomSampler,
        "nsga2": NSGAIISampler,
        "grid": RandomSampler,
    }
    assert {name: type(samplers.build_sampler(name, 0, 20)) for name in SAMPLERS} == kinds


def test_tpe_sees_parameters_together_and_counts_what_is_training() -> None:
    tpe = samplers.build_sampler("tpe", 0, 20)
    assert isinstance(tpe, TPESampler)
    assert tpe._multivariate is True
    assert tpe._constant_liar is True
    assert tpe._group is False


def test_what_a_sampler_draws_at_random_first_fits_the_trials() -> None:
    def startup(trials: int) -> int:
        tpe = samplers.build_sampler("tpe", 0, trials)
        assert isinstance(tpe, TPESampler)
        return tpe._n_startup_trials

    def population(trials: int) -> int:
        nsga2 = samplers.build_sampler("nsga2", 0, trials)
        assert isinstance(nsga2, NSGAIISampler)
        return nsga2.population_size

    assert [startup(trials) for trials in (1, 20, 32, 40, 400)] == [5, 5, 8, 10, 10]
    assert [population(trials) for trials in (1, 20, 100, 250, 9999)] == [4, 4, 20, 50, 50]


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_seed_gives_the_same_draws_again_and_another_seed_others(name: str) -> None:
    def draws(seed: int) -> list[float]:
        study = optuna.create_study(sampler=samplers.build_sampler(name, seed, 20))
        for _ in range(9):
            trial = study.ask()
            study.tell(trial, trial.suggest_float("x", 0, 1))
        return [trial.params["x"] for trial in study.trials]

    assert draws(0) == draws(0) != draws(1)


def test_an_import_path_is_a_sampler_with_the_seed_if_it_takes_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert isinstance(samplers.build_sampler("optuna.samplers.QMCSampler", 3, 20), QMCSampler)
    assert isinstance(
        samplers.build_sampler("optuna.samplers:BruteForceSampler", 3, 20), BruteForceSampler
    )
    monkeypatch.setattr(optuna.samplers, "Fixed", Fixed, raising=False)
    own = samplers.build_sampler("optuna.samplers:Fixed", 7, 20)
    assert isinstance(own, Fixed)
    assert own.given == 7


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("optuna.samplers.NoSuch", "has no 'NoSuch'"),
        ("no_such_module:Sampler", "cannot be imported: No module named"),
        ("optuna.create_study", "is no subclass"),
        ("optuna.samplers.Needs", "cannot be made: .*grid"),
    ],
)
def test_a_wrong_path_is_one_clear_line(
    name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optuna.samplers, "Needs", Needs, raising=False)
    with pytest.raises(InputError, match=message) as caught:
        samplers.build_sampler(name, 0, 20)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_neither_is_refused_by_the_settings() -> None:
    with pytest.raises(InputError, match="tpe"):
        SearchConfig(sampler="tpee")
    assert SearchConfig(sampler="optuna.samplers.GPSampler").sampler == "optuna.samplers.GPSampler"
