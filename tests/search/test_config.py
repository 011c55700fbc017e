"""The settings of a run: what is allowed, and what its file gives back."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from se_nas import InputError
from se_nas.latency.settings import LatencySettings
from se_nas.search.config import (
    DataSettings,
    SearchConfig,
    TrialSettings,
    config_from_options,
    without_password,
)
from se_nas.search.config_file import read_settings
from se_nas.settings import by_option
from se_nas.training.recipe import Recipe

# The settings.json of a run of commit eade8cf, with a folder of data.
EARLIER = """
{"data": {"name": "digits", "folder": "/data", "image_size": null, "val_images": null,
"limit_train": null}, "recipe": {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9,
"weight_decay": 0.0005, "batch_size": 64, "label_smoothing": 0.0, "warmup_epochs": 0.5,
"frozen_norm_epochs": 0, "schedule": "cosine", "se_init": "identity", "amp": "auto"},
"trials": 8, "epochs": 14, "first_rung": 0.5, "gpus": 0, "gpus_per_trial": 1.0,
"cpus_per_trial": null, "concurrency": null, "sampler": "tpe", "enqueue": [], "seed": 3,
"storage": null, "top": 1, "final_seeds": 2, "final_epochs": null, "max_failed_share": 0.5,
"name": "before", "out": "runs", "address": null, "dashboard": true, "latency": {"batch": 1,
"precision": "float32", "channels_last": false, "threads": 1, "warm_up": 2, "repeats": 7,
"sweeps": 3, "networks": 400, "held_out": 10, "cache": null}, "dashboard_host": null,
"tensorboard": false}
"""


def test_settings_of_a_run_are_read_back() -> None:
    config = SearchConfig(
        latency=LatencySettings(batch=8, precision="bfloat16"), enqueue=("se_resnet8_small",)
    )
    stored = json.loads(json.dumps(config.to_dict()))
    assert stored["latency"] == asdict(config.latency)
    assert SearchConfig.from_dict(stored) == config
    assert SearchConfig.from_dict({}) == SearchConfig()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"trails": 3}, "setting 'trails'.*another version wrote it"),
        ({"data": {"nam": "digits"}}, "setting 'nam'"),
        ({"latency": {"batches": 1}}, "setting 'batches'"),
        ({"data": 5}, "the settings of a run cannot be read"),
        ({"first_rung": "ten"}, "first_rung is 'ten'; give a number"),
        ({"trials": "ten"}, "trials is 'ten'; give a whole number of at least 1"),
        ({"trials": 2.5}, "trials is 2.5; give a whole number of at least 1"),
        ({"final_epochs": True}, "final_epochs is True; give a whole number"),
        ({"gpus": -1}, "gpus is -1; give a whole number of at least 0"),
    ],
)
def test_a_file_that_is_not_ours_is_one_line(data: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        SearchConfig.from_dict(data)
    assert "\n" not in str(caught.value)


def test_settings_of_earlier_versions_are_read() -> None:
    stored = json.loads(EARLIER)
    assert "folder" in stored["data"]
    config = SearchConfig.from_dict(stored)
    assert config.data == DataSettings(data_dir="/data")
    assert (config.trials, config.epochs, config.seed, config.name) == (8, 14, 3, "before")
    assert config.space is None
    assert SearchConfig.from_dict(config.to_dict()) == config


def test_the_settings_of_a_training_are_those_of_the_search() -> None:
    config = SearchConfig(data=DataSettings("cifar10"), recipe=Recipe(batch_size=7))
    settings = TrialSettings.of(config, epochs=3, seed=4, gpus=2, cpus=7, processes=2)
    assert settings == TrialSettings(
        config.data, config.recipe, 3, 4, on_gpu=True, threads=3, checkpoints=None, processes=2
    )
    alone = TrialSettings.of(
        config, epochs=3, seed=4, gpus=0, cpus=0.5, processes=1, checkpoints="c"
    )
    assert (alone.on_gpu, alone.threads, alone.checkpoints) == (False, 1, "c")


def test_passwords_are_not_shown() -> None:
    url = "postgresql://me:secret@host/db"
    assert SearchConfig(storage=url).to_dict()["storage"] == "postgresql://me:***@host/db"
    assert without_password("mysql://host/db?password=secret&x=1") == (
        "mysql://host/db?password=***&x=1"
    )


def test_the_home_folder_is_meant_by_its_sign_in_every_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    paths = ("space", "data", "train", "data_dir", "out", "latency_cache")
    given = {name: f"~/{name}.py" for name in paths} | {"storage": "sqlite:///~/study.db"}
    (tmp_path / "run.toml").write_text("".join(f'{k} = "{v}"\n' for k, v in given.items()))
    for written in (given, read_settings("~/run.toml")):
        found = by_option(config_from_options(written))
        assert {name: found[name] for name in paths} == {
            name: str(tmp_path / f"{name}.py") for name in paths
        }
        assert found["storage"] == f"sqlite:///{tmp_path}/study.db"
    assert SearchConfig(out="~/runs").out == str(tmp_path / "runs")
    assert SearchConfig(out="a~b").out == "a~b"


def test_a_home_that_is_not_known_is_one_line() -> None:
    with pytest.raises(InputError, match="'~nobody-has-this-name/runs': that home folder"):
        SearchConfig(out="~nobody-has-this-name/runs")
