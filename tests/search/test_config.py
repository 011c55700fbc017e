"""The settings of a run: what is allowed, and what its file gives back."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

import pytest

from se_nas import InputError
from se_nas.latency.settings import LatencySettings
from se_nas.search.config import SearchConfig, without_password


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
        ({"trials": "ten"}, "the settings of a run cannot be read"),
        ({"trials": 0}, "trials is 0; give at least 1"),
    ],
)
def test_a_file_that_is_not_ours_is_one_line(data: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        SearchConfig.from_dict(data)
    assert "\n" not in str(caught.value)


def test_every_setting_is_explained() -> None:
    assert SearchConfig.__doc__ is not None
    for field in fields(SearchConfig):
        assert any(
            field.name in line.partition(":")[0].replace(",", "").split()
            for line in SearchConfig.__doc__.splitlines()
        ), field.name


def test_passwords_are_not_shown() -> None:
    url = "postgresql://me:secret@host/db"
    assert SearchConfig(storage=url).to_dict()["storage"] == "postgresql://me:***@host/db"
    assert without_password("mysql://host/db?password=secret&x=1") == (
        "mysql://host/db?password=***&x=1"
    )
