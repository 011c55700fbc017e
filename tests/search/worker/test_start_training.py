"""How a training begins: the same options in each of its processes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from se_nas import Architecture
from se_nas.data import load
from se_nas.search.config import DataSettings, TrialSettings
from se_nas.search.worker.shared_data import SharedData
from se_nas.search.worker.start_training import start_ranks, start_training, training_options
from se_nas.training.recipes import RECIPES
from se_nas.training.train import Training

SETTINGS = TrialSettings(DataSettings(limit_train=200), RECIPES["search"], epochs=3, seed=5)
SMALL = Architecture.parse("resnet8_small-width8")


def test_a_trial_of_one_process_has_no_others_and_trains_as_its_settings_say() -> None:
    assert start_ranks(SETTINGS) is None
    training = start_training(SMALL, load("digits"), SETTINGS, None, None)
    assert type(training) is Training
    found = (training.epochs, training.seed, training.device.type, training.recipe)
    assert found == (3, 5, "cpu", RECIPES["search"])


def test_a_trial_of_several_begins_in_all_of_them_with_what_they_share() -> None:
    begun: list[tuple[object, ...]] = []
    ranks: Any = SimpleNamespace(start_training=lambda *given: begun.append(given))
    data, shared = load("digits"), SharedData()
    start_training(SMALL, data, SETTINGS, ranks, shared)
    assert begun == [(SMALL, data, SETTINGS, shared)]


def test_images_in_memory_need_no_processes_to_decode_them() -> None:
    options = training_options(load("digits"), replace(SETTINGS, threads=4))
    assert options == {"epochs": 3, "seed": 5, "device": "cpu", "workers": 0, "init": None}
