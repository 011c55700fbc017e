"""What a worker does, without Ray: how a trial ends, and what the worker keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from se_nas import Architecture
from se_nas.recipes import RECIPES
from se_nas.search.settings import DataSettings, TrialSettings
from se_nas.search.trial import SETrial, is_out_of_memory

SETTINGS = TrialSettings(DataSettings(limit_train=200), RECIPES["search"], epochs=2)


def worker(settings: TrialSettings, name: str = "resnet8_small-width8") -> SETrial:
    trial = object.__new__(SETrial)
    trial.setup({"architecture": Architecture.parse(name).to_json()}, settings)
    return trial


def run(trial: SETrial) -> list[dict[str, Any]]:
    results = [trial.step()]
    while not results[-1]["done"]:
        results.append(trial.step())
    return results


def test_a_trial_reports_every_epoch_and_ends_with_its_budget() -> None:
    results = run(worker(SETTINGS))
    assert [(r["epoch"], r["done"], r["end"]) for r in results] == [(1, False, ""), (2, True, "")]
    assert all(0 <= r["val_acc"] <= 1 and r["val_loss"] > 0 for r in results)


def test_a_worker_keeps_its_data_from_trial_to_trial() -> None:
    trial = worker(SETTINGS)
    first = run(trial)
    kept = trial.data
    assert trial.reset_config({"architecture": Architecture.parse("resnet8_small").to_json()})
    assert run(trial)[-1]["val_acc"] != first[-1]["val_acc"]
    assert trial.data is kept


def test_the_same_trial_gives_the_same_values() -> None:
    values = [[r["val_loss"] for r in run(worker(SETTINGS))] for _ in range(2)]
    assert values[0] == values[1]


def test_divergence_is_an_end() -> None:
    recipe = replace(RECIPES["search"], learning_rate=1e12, warmup_epochs=0)
    assert run(worker(replace(SETTINGS, recipe=recipe)))[-1]["end"] == "not_finite"


def test_memory_that_is_not_there_is_an_end_and_the_worker_goes_on() -> None:
    trial = worker(SETTINGS, "resnet8_small-width400000")
    assert run(trial)[-1]["end"] == "out_of_memory"
    assert trial.reset_config({"architecture": Architecture.parse("resnet8_small").to_json()})
    assert run(trial)[-1]["end"] == ""


def test_an_error_is_an_end_with_its_traceback(tmp_path: Path) -> None:
    missing = DataSettings("imagefolder", str(tmp_path / "gone"))
    last = run(worker(replace(SETTINGS, data=missing)))[-1]
    assert last["end"] == "error"
    assert "InputError" in last["traceback"]
    assert "gone" in last["traceback"]


def test_se_blocks_without_an_exact_start_are_counted() -> None:
    assert run(worker(SETTINGS, "se_resnet8_small_r4"))[-1]["unpreserved"] == 0
    assert run(worker(SETTINGS, "se_resnet8_small_r4_post"))[-1]["unpreserved"] == 3


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_out_of_memory(error: BaseException, memory: bool) -> None:
    assert is_out_of_memory(error) is memory


def test_the_dashboards_name_needs_no_setup() -> None:
    assert "digits" in repr(worker(SETTINGS))
