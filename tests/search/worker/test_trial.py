"""What a worker does, without Ray: how a trial ends, and what the worker keeps."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from se_nas import Architecture
from se_nas.search.config import DataSettings, TrialSettings
from se_nas.search.worker import checkpoints
from se_nas.search.worker.trial import SETrial
from se_nas.space.objectives import METRICS
from se_nas.training.recipes import RECIPES

SETTINGS = TrialSettings(DataSettings(limit_train=200), RECIPES["search"], epochs=2)


def worker(settings: TrialSettings, name: str = "resnet8_small-width8", **config: Any) -> SETrial:
    trial = object.__new__(SETrial)
    trial.setup({"architecture": Architecture.parse(name).to_json(), **config}, settings)
    assert trial.step()["ready"]  # a fresh worker says first that it is up
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


def test_a_damaged_image_is_named_with_what_to_do(tmp_path: Path) -> None:
    for part, name, i in itertools.product(("train", "test"), ("cat", "dog"), range(4)):
        (tmp_path / part / name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), (60 * i, 9, 9)).save(tmp_path / part / name / f"{i}.png")
    damaged = tmp_path / "train/dog/2.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    data = DataSettings("imagefolder", str(tmp_path), image_size=16, val_images=2)
    recipe = replace(RECIPES["search"], batch_size=2)
    last = run(worker(replace(SETTINGS, data=data, recipe=recipe)))[-1]
    assert last["end"] == "error"
    assert last["reason"].startswith(f"image '{damaged}' cannot be read (")
    assert last["reason"].endswith("); remove or repair it")


def test_se_blocks_without_an_exact_start_are_counted() -> None:
    assert run(worker(SETTINGS, "se_resnet8_small_r4"))[-1]["unpreserved"] == 0
    assert run(worker(SETTINGS, "se_resnet8_small_r4_post"))[-1]["unpreserved"] == 3


LONG = replace(SETTINGS, epochs=4)


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_trial_whose_worker_dies_goes_on_and_gives_what_it_would_have(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SHARE", 1.0)
    settings = replace(LONG, checkpoints=str(tmp_path))
    whole = run(worker(replace(LONG, checkpoints=None), number=3))
    dying = worker(settings, number=3)
    for _ in range(after):
        dying.step()
    rest = run(worker(settings, number=3))
    assert [r["epoch"] for r in rest] == list(range(after + 1, 5))
    assert [r["val_loss"] for r in rest] == [r["val_loss"] for r in whole[after:]]
    before = [{k: r[k] for k in METRICS} for r in whole[:after]]
    assert rest[0]["earlier"] == before
    assert not any(r["earlier"] for r in rest[1:])
    assert rest[-1]["unpreserved"] == whole[-1]["unpreserved"]
    assert [file.name for file in tmp_path.iterdir()] == ["trial-00003.pt"]
    checkpoints.remove(tmp_path, 3)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_of_another_training_is_an_error_and_a_broken_one_is_none(
    tmp_path: Path,
) -> None:
    settings = replace(LONG, checkpoints=str(tmp_path))
    worker(settings, number=1).step()
    other = run(worker(replace(settings, seed=1), number=1))[-1]
    assert other["end"] == "error"
    assert "the saved run" in other["reason"]
    file = checkpoints.file_of(tmp_path, 1)
    file.write_bytes(file.read_bytes()[:500])
    assert worker(settings, number=1).step()["epoch"] == 1


def test_a_folder_that_is_not_there_or_full_costs_the_trial_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = replace(LONG, checkpoints=str(tmp_path / "gone"))
    assert [r["end"] for r in run(worker(gone, number=0))] == [""] * 4

    def full(state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("torch.save", full)
    settings = replace(LONG, checkpoints=str(tmp_path))
    assert [r["end"] for r in run(worker(settings, number=0))] == [""] * 4
    assert not list(tmp_path.iterdir())


def test_saving_takes_a_bounded_share_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves: list[Path] = []
    clock = iter(range(10_000))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))  # a save takes a second or two

    def save(file: Path, state: object) -> bool:
        saves.append(file)
        return True

    monkeypatch.setattr(checkpoints, "save", save)
    run(worker(replace(LONG, checkpoints=str(tmp_path)), number=0))
    assert len(saves) == 1


def test_what_a_killed_driver_left_is_tidied(tmp_path: Path) -> None:
    for name in ("trial-00001.pt", "trial-00002.pt", "trial-00001.host-1.part"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "trial-notes.txt").write_text("mine")
    checkpoints.tidy(tmp_path, {2})
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {"trial-00002.pt", "trial-notes.txt"}


def test_a_trial_whose_worker_the_host_killed_for_memory_says_so_and_trains_nothing() -> None:
    results = run(worker(SETTINGS, out_of_memory=True))
    assert [(r["end"], r["epoch"]) for r in results] == [("out_of_memory", 0)]


def test_ends_have_their_reasons() -> None:
    recipe = replace(RECIPES["search"], learning_rate=1e12, warmup_epochs=0)
    diverged = run(worker(replace(SETTINGS, recipe=recipe)))[-1]
    assert "loss is not finite in epoch 1" in diverged["reason"]
    heavy = run(worker(SETTINGS, "resnet8_small-width400000"))[-1]
    assert "memory" in heavy["reason"]


def test_the_dashboards_name_needs_no_setup() -> None:
    assert "digits" in repr(worker(SETTINGS))
