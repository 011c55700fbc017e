"""A user's own training function in a worker, without Ray."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import se_nas
from se_nas import Architecture, InputError, data
from se_nas.search.config import DataSettings, TrialSettings
from se_nas.search.worker import checkpoints, custom_training
from se_nas.search.worker.custom_training import CustomTraining
from se_nas.search.worker.retrain import train_and_test
from se_nas.search.worker.shared_data import UserObjects, share
from se_nas.search.worker.trial import SETrial
from se_nas.training.custom import Resources, StopTraining, TrainResult, load_train_file
from se_nas.training.epoch import NonFiniteLoss
from se_nas.training.recipes import RECIPES

NAME = "resnet8_small-width8"
SETTINGS = TrialSettings(DataSettings(limit_train=200), RECIPES["search"], epochs=3, seed=7)
SHAPE = data.ImageShape(num_classes=10, in_channels=1, image_size=8)


def training(train: Any, epochs: int = 3, **options: Any) -> CustomTraining:
    resources = Resources("cpu", 1, 0, seed=7, epochs=epochs, **options)
    sizes: dict[str, Any] = {"needed": "val_acc", "num_classes": 10, "in_channels": 1}
    return CustomTraining(train, Architecture.parse(NAME), resources, **sizes)


def worker(
    train: Any, settings: TrialSettings = SETTINGS, needed: str = "val_acc", **config: Any
) -> SETrial:
    trial = object.__new__(SETrial)
    shared = share(SHAPE, UserObjects(SHAPE, train), needed=needed)
    trial.setup({"architecture": Architecture.parse(NAME).to_json(), **config}, settings, shared)
    assert trial.step()["ready"]
    return trial


def run(trial: SETrial) -> list[dict[str, Any]]:
    results = [trial.step()]
    while not results[-1]["done"]:
        results.append(trial.step())
    return results


def every_epoch(architecture: Architecture, report: Any, resources: Resources) -> None:
    for epoch in range(1, resources.epochs + 1):
        report(val_acc=epoch / 10)


def test_each_report_is_an_epoch_and_the_function_waits_between_them() -> None:
    seen: list[int] = []

    def train(architecture: Architecture, report: Any, resources: Resources) -> None:
        assert str(architecture) == NAME
        for epoch in range(resources.epochs):
            seen.append(epoch)
            report(val_acc=0.5, val_loss=1.0, f1=epoch)

    stepped = training(train)
    first = stepped.epoch()
    assert first is not None
    assert (first.epoch, first.curve()) == (1, {"val_acc": 0.5, "val_loss": 1.0, "f1": 0.0})
    assert seen == [0]
    stepped.epoch()
    assert not stepped.finished
    last = stepped.epoch()
    assert last is not None
    assert (last.epoch, seen, stepped.finished) == (3, [0, 1, 2], True)


def test_a_training_that_is_closed_stops_in_its_report_and_cleans_up() -> None:
    seen: list[str] = []

    def train(architecture: Architecture, report: Any, resources: Resources) -> None:
        try:
            for _ in range(resources.epochs):
                try:
                    report(val_acc=0.5)
                except Exception:  # what a careless loop would do
                    seen.append("kept")
        finally:
            seen.append("cleaned up")

    stepped = training(train)
    stepped.epoch()
    assert stepped.close()
    assert seen == ["cleaned up"]
    assert not any(thread.name == "train" for thread in threading.enumerate())


def test_a_training_that_catches_the_stop_is_stopped_at_each_report_until_it_ends() -> None:
    def train(architecture: Architecture, report: Any, resources: Resources) -> None:
        for _ in range(50):
            try:
                report(val_acc=0.5)
            except StopTraining:
                continue

    stepped = training(train)
    stepped.epoch()
    assert stepped.close()


def test_a_training_that_does_not_end_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom_training, "STOP_TIMEOUT_S", 0.05)
    free = threading.Event()

    def train(architecture: Architecture, report: Any, resources: Resources) -> None:
        try:
            report(val_acc=0.5)
        finally:
            free.wait()

    stepped = training(train)
    stepped.epoch()
    assert not stepped.close()
    free.set()


def test_a_report_beyond_the_budget_stops_the_function() -> None:
    seen: list[int] = []

    def train(architecture: Architecture, report: Any, resources: Resources) -> None:
        for epoch in range(10):
            seen.append(epoch)
            report(val_acc=0.5)

    stepped = training(train)
    for _ in range(3):
        stepped.epoch()
    assert stepped.finished
    assert seen == [0, 1, 2, 3]


def test_torch_and_random_are_seeded_so_that_a_training_is_the_same_again() -> None:
    def train(architecture: Architecture, report: Any, resources: Resources) -> None:
        report(val_acc=float(torch.rand(())))

    drawn = [training(train, epochs=1).epoch() for _ in range(2)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"val_acc": 93.1}, "val_acc is 93.1; give a share in [0, 1], not a percentage"),
        ({"val_acc": "high"}, "report: val_acc is 'high'; give a number"),
        ({"val_acc": 0.5, "f1": None}, "report: f1 is None; give a number"),
        *(
            ({"val_acc": 0.5, own: 1}, f"report: {own} is a name of the search's own; give another")
            for own in ("params", "macs", "latency_ms", "seconds", "epochs", "end", "name")
        ),
        ({"val_acc": 0.5, "epoch": 0}, "report: epoch is 0; give a whole number of at least 1"),
    ],
)
def test_a_report_that_makes_no_sense_is_an_error_where_it_is_made(
    given: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError) as error:
        training(lambda architecture, report, resources: report(**given)).epoch()
    assert str(error.value) == words


def test_an_epoch_may_be_a_whole_number_of_numpys() -> None:
    def train(architecture: Architecture, report: Any, resources: Resources) -> None:
        report(val_acc=0.5, epoch=np.int64(2))

    first = training(train).epoch()
    assert first is not None
    assert type(first.epoch) is int
    assert first.epoch == 2


def test_a_loss_that_the_space_compares_must_be_reported() -> None:
    last = run(worker(every_epoch, needed="val_loss"))[-1]
    assert last["end"] == "error"
    assert "val_loss is not given" in last["reason"]


@pytest.mark.parametrize("given", [{"val_acc": float("nan")}, {"val_acc": 1, "val_loss": 1e999}])
def test_metrics_that_are_not_finite_are_divergence(given: dict[str, float]) -> None:
    with pytest.raises(NonFiniteLoss, match="not finite in epoch 1"):
        training(lambda architecture, report, resources: report(**given)).epoch()


def ours(architecture: Architecture) -> nn.Module:
    return se_nas.materialize(architecture, num_classes=10, in_channels=1)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (lambda a: "model", "train() returned a str"),
        (lambda a: nn.Linear(2, 2), "is not that of the network; return the one"),
        (lambda a: se_nas.materialize(a, num_classes=5, in_channels=1), "num_classes=10"),
    ],
)
def test_what_the_function_returns_is_checked_in_each_trial(value: Any, words: str) -> None:
    def train(architecture: Architecture, report: Any, resources: Resources) -> Any:
        report(val_acc=0.5)
        return value(architecture)

    with pytest.raises(InputError) as error:
        training(train, epochs=1).epoch()
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_trial_reports_epochs_and_the_numbers_beside_them() -> None:
    def train(architecture: Architecture, report: Any, resources: Resources) -> None:
        assert (resources.seed, resources.epochs, resources.final) == (7, 3, False)
        assert resources.data is None
        for epoch in range(resources.epochs):
            report(val_acc=0.1 * epoch, f1=0.5)

    results = run(worker(train))
    assert [(r["epoch"], r["done"], r["end"]) for r in results] == [
        (1, False, ""),
        (2, False, ""),
        (3, True, ""),
    ]
    assert [r["val_acc"] for r in results] == pytest.approx([0.0, 0.1, 0.2])
    assert all(r["other"] == [("f1", 0.5)] and "val_loss" not in r for r in results)


def test_errors_are_ends_as_for_our_own_training() -> None:
    def fails(architecture: Architecture, report: Any, resources: Resources) -> None:
        report(val_acc=0.5)
        raise ValueError("a bug of the user's")

    last = run(worker(fails))[-1]
    assert (last["end"], last["reason"]) == ("error", "ValueError: a bug of the user's")
    assert "in fails" in last["traceback"]

    def too_large(architecture: Architecture, report: Any, resources: Resources) -> None:
        raise MemoryError

    assert run(worker(too_large))[-1]["end"] == "out_of_memory"

    def leaves(architecture: Architecture, report: Any, resources: Resources) -> None:
        raise SystemExit(3)

    assert run(worker(leaves))[-1]["reason"] == "RuntimeError: train() raised SystemExit"
    silent = run(worker(lambda architecture, report, resources: None))[-1]
    assert silent["reason"].endswith("train() ended without a report; call report(val_acc=…)")


def test_a_function_that_ends_early_by_itself_is_complete_with_its_last_epoch() -> None:
    def train(architecture: Architecture, report: Any, resources: Resources) -> None:
        report(val_acc=0.5)
        report(val_acc=0.25)

    last = run(worker(train))[-1]
    assert (last["end"], last["epoch"], last["val_acc"], last["done"]) == (
        "complete",
        2,
        0.25,
        True,
    )


def test_the_next_trial_stops_the_last_ones_function() -> None:
    ended: list[str] = []

    def train(architecture: Architecture, report: Any, resources: Resources) -> None:
        try:
            every_epoch(architecture, report, resources)
        finally:
            ended.append(str(architecture))

    trial = worker(train)
    trial.step()
    assert trial.reset_config({"architecture": Architecture.parse("resnet8_small").to_json()})
    assert ended == [NAME]
    assert run(trial)[-1]["epoch"] == 3


def resumable(architecture: Architecture, report: Any, resources: Resources) -> None:
    assert resources.checkpoint is not None
    saved = resources.checkpoint / "epoch"
    done = int(saved.read_text()) if saved.exists() else 0
    for epoch in range(done + 1, resources.epochs + 1):
        report(val_acc=epoch / 10, epoch=epoch)
        saved.write_text(str(epoch))


@pytest.mark.parametrize("before", [1, 2])
def test_a_function_goes_on_from_its_own_checkpoint(
    before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SHARE", float("inf"))
    settings = TrialSettings(
        SETTINGS.data, SETTINGS.recipe, 4, checkpoints=str(tmp_path), seed=SETTINGS.seed
    )
    dying = worker(resumable, settings, number=3)
    for _ in range(before + 1):
        dying.step()
    results = run(worker(resumable, settings, number=3))
    # The last epoch before the death was reported and not saved: it is trained again.
    assert [r["epoch"] for r in results] == list(range(before + 1, 5))
    assert results[0]["earlier"] == [{"val_acc": e / 10} for e in range(1, before + 1)]
    assert [r["val_acc"] for r in results] == [e / 10 for e in range(before + 1, 5)]
    checkpoints.tidy(tmp_path, {3})
    assert len(list(tmp_path.iterdir())) == 2
    checkpoints.remove(tmp_path, 3)
    assert not list(tmp_path.iterdir())


def test_a_function_that_has_nothing_left_to_do_is_complete_with_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SHARE", float("inf"))
    settings = TrialSettings(SETTINGS.data, SETTINGS.recipe, 3, checkpoints=str(tmp_path))
    dying = worker(resumable, settings, number=3)
    dying.step()
    dying.step()
    (checkpoints.folder_of(tmp_path, 3) / "epoch").write_text("3")
    [last] = run(worker(resumable, settings, number=3))
    assert (last["end"], last["epoch"], last["val_acc"]) == ("complete", 2, 0.2)


def test_an_epoch_that_the_function_saved_and_did_not_report_counts_as_the_next(
    tmp_path: Path,
) -> None:
    settings = TrialSettings(SETTINGS.data, SETTINGS.recipe, 4, checkpoints=str(tmp_path))
    worker(resumable, settings, number=3).step()
    (checkpoints.folder_of(tmp_path, 3) / "epoch").write_text("2")
    results = run(worker(resumable, settings, number=3))
    assert [r["epoch"] for r in results] == [3, 4]
    assert results[0]["earlier"] == [{"val_acc": 0.1}, {"val_acc": 0.3}]


def test_a_function_without_checkpoints_begins_again(tmp_path: Path) -> None:
    settings = TrialSettings(SETTINGS.data, SETTINGS.recipe, 3, checkpoints=str(tmp_path))
    dying = worker(every_epoch, settings, number=3)
    dying.step()
    dying.step()
    results = run(worker(every_epoch, settings, number=3))
    assert [r["epoch"] for r in results] == [1, 2, 3]
    assert not any(r["earlier"] for r in results)


def retrained(train: Any, images: data.ImageShape = SHAPE) -> Any:
    shared = share(images, UserObjects(images, train))
    architecture = Architecture.parse(NAME)
    return architecture, train_and_test(architecture.to_json(), SETTINGS, 0, shared)


def test_a_retraining_gives_the_models_weights_and_the_functions_test_accuracy() -> None:
    made: list[nn.Module] = []

    def train(architecture: Architecture, report: Any, resources: Resources) -> TrainResult:
        assert resources.final
        every_epoch(architecture, report, resources)
        made.append(ours(architecture))
        return TrainResult(made[0], test_acc=0.75)

    _, payload = retrained(train)
    assert (payload.result.end, payload.result.val_acc, payload.result.test_acc) == (
        "complete",
        pytest.approx(0.3),
        0.75,
    )
    assert payload.state is not None
    state = made[0].state_dict()
    assert all(torch.equal(payload.state[key], value) for key, value in state.items())


def test_a_model_is_tested_on_the_searchs_own_images() -> None:
    digits = data.load("digits", limit_train=200)

    def train(architecture: Architecture, report: Any, resources: Resources) -> nn.Module:
        assert resources.data is not None
        assert resources.data.summary() == digits.summary()
        every_epoch(architecture, report, resources)
        return ours(architecture)

    _, payload = retrained(train, digits)
    assert payload.result.end == "complete"
    assert 0 < payload.result.test_acc < 0.5


def test_a_retraining_without_anything_to_test_says_what_to_return() -> None:
    _, payload = retrained(every_epoch)
    assert payload.result.end == "error"
    assert "train() returned nothing to test" in payload.result.reason


def test_a_process_with_a_function_that_does_not_end_takes_no_further_retraining(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(custom_training, "STOP_TIMEOUT_S", 0.05)
    free = threading.Event()

    def train(architecture: Architecture, report: Any, resources: Resources) -> None:
        try:
            report(val_acc=float("nan"))
        finally:
            free.wait()

    class Exited(BaseException):
        pass

    def leave(code: int) -> None:
        raise Exited(code)

    monkeypatch.setattr(os, "_exit", leave)
    _, payload = retrained(train)
    assert payload.result.end == "not_finite"
    with pytest.raises(Exited):
        retrained(train)
    free.set()
    for thread in threading.enumerate():
        if isinstance(thread, custom_training._TrainThread) and thread.abandoned:
            thread.join()
    _, payload = retrained(train)
    assert payload.result.end == "not_finite"


def test_a_file_defines_the_function(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def train(architecture, report, resources):\n    report(val_acc=0.5)\n")
    metrics = training(load_train_file(file), epochs=1).epoch()
    assert metrics is not None
    assert metrics.val_acc == 0.5
    trial = worker(None)
    trial.shared = share(SHAPE, train_file=str(file))
    assert run(trial)[-1]["end"] == "complete"
    file.write_text("train = 3")
    with pytest.raises(InputError, match=r"define train\(architecture, report, resources\)"):
        load_train_file(file)


@pytest.mark.parametrize(
    "train",
    [
        lambda architecture, report, resources: None,
        lambda architecture, report, resources: report(val_acc=50),
        lambda architecture, report, resources: report(val_acc=0.5, seconds=1),
        lambda architecture, report, resources: (report(val_acc=0.5), "model")[1],
    ],
)
def test_a_function_that_breaks_its_contract_says_that_every_trial_would(train: Any) -> None:
    last = run(worker(train))[-1]
    assert (last["end"], last["misuse"]) == ("error", True)
    assert last["reason"] == last["reason"].removeprefix("TrainMisuse"), "a line for its author"


def test_an_error_in_a_function_may_be_of_one_trial_only() -> None:
    def train(architecture: Architecture, report: Any, resources: Resources) -> None:
        raise InputError("of something that it called")

    last = run(worker(train))[-1]
    assert (last["end"], last["misuse"]) == ("error", False)


def test_a_retraining_says_why_it_failed_and_whether_all_would() -> None:
    settings = replace(SETTINGS, epochs=1)
    architecture = Architecture.parse(NAME).to_json()

    def untested(architecture: Architecture, report: Any, resources: Resources) -> None:
        report(val_acc=0.5)

    def buggy(architecture: Architecture, report: Any, resources: Resources) -> None:
        raise KeyError("a bug")

    for function, reason, misuse in (
        (untested, "train() returned nothing to test", True),
        (buggy, "KeyError: 'a bug'", False),
    ):
        shared = share(SHAPE, UserObjects(SHAPE, function))
        result = train_and_test(architecture, settings, 0, shared).result
        assert (result.end, result.misuse) == ("error", misuse)
        assert result.reason.startswith(reason)
        assert "Traceback" in result.traceback
        assert function.__name__ in result.traceback or misuse
