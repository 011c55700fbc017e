"""Samplers by name and by import path."""

from __future__ import annotations

import optuna
import pytest
from optuna.samplers import BruteForceSampler, QMCSampler

from se_nas.errors import InputError
from se_nas.search import samplers
from se_nas.search.settings import SAMPLERS, RunConfig


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
    for name in SAMPLERS:
        assert isinstance(samplers.build(name, 0, 20), optuna.samplers.BaseSampler)


def test_an_import_path_is_a_sampler_with_the_seed_if_it_takes_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert isinstance(samplers.build("optuna.samplers.QMCSampler", 3, 20), QMCSampler)
    assert isinstance(samplers.build("optuna.samplers:BruteForceSampler", 3, 20), BruteForceSampler)
    monkeypatch.setattr(optuna.samplers, "Fixed", Fixed, raising=False)
    own = samplers.build("optuna.samplers:Fixed", 7, 20)
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
        samplers.build(name, 0, 20)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_neither_is_refused_by_the_settings() -> None:
    with pytest.raises(InputError, match="tpe"):
        RunConfig(sampler="tpee")
    assert RunConfig(sampler="optuna.samplers.GPSampler").sampler == "optuna.samplers.GPSampler"
