"""Retrainings under Ray: a row with its reason for each, and again, with a limit, if one dies."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
import torch
from ray.exceptions import OutOfMemoryError, RayTaskError, WorkerCrashedError
from rich.console import Console

from se_nas import Architecture, InputError, load, materialize
from se_nas.data import ImageShape
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import MAX_DEATHS, DataSettings, SearchConfig
from se_nas.search.finals.retraining import (
    Retrainer,
    place,
    settings_of,
    train_on_ray,
    with_weights,
)
from se_nas.search.plan import SearchRun
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.worker.retrain import RetrainPayload, RetrainResult, train_and_test

SMALL = Architecture.parse("resnet8_small-width8")
CONFIG = SearchConfig(data=DataSettings(limit_train=200), epochs=2, final_epochs=1)
TWO = Slots(2, cpus=1.0, gpus=0.0)
GOOD = RetrainPayload(RetrainResult("complete", 0.5, 1.0, 0.5))


class Remote:
    """Ray with tasks that end at once, each as the next of the outcomes of its seed."""

    def __init__(self, outcomes: dict[int, list[Any]]) -> None:
        self.outcomes = outcomes

    def __call__(self, function: Any) -> Remote:
        return self

    def options(self, **_: Any) -> Remote:
        return self

    def remote(self, architecture: str, settings: Any, *_: Any) -> object:
        task = object()
        self.ended: dict[object, Any] = getattr(self, "ended", {})
        self.ended[task] = self.outcomes[settings.seed].pop(0)
        return task

    def get(self, task: object) -> Any:
        if isinstance(self.ended[task], BaseException):
            raise self.ended[task]
        return self.ended[task]


def retrained(
    monkeypatch: pytest.MonkeyPatch, *outcomes: list[Any], slots: Slots = TWO
) -> list[str]:
    fake = Remote(dict(enumerate(outcomes)))
    monkeypatch.setattr(ray, "put", lambda value: value)
    monkeypatch.setattr(ray, "remote", fake)
    monkeypatch.setattr(ray, "get", fake.get)
    monkeypatch.setattr(ray, "wait", lambda tasks, timeout: (tasks[:1], tasks[1:]))
    told: list[tuple[int, str]] = []
    results = train_on_ray(
        [(SMALL, seed) for seed in range(len(outcomes))],
        lambda _, seed, done: told.append((seed, done.end)),
        config=CONFIG,
        slots=slots,
        images=None,
        on_done=lambda *_: None,
    )
    assert sorted(told) == [(seed, result.end) for seed, result in enumerate(results)]
    assert not any(left for left in outcomes)
    return [f"{result.end}: {result.reason}".removesuffix(": ") for result in results]


def test_a_run_whose_process_dies_starts_again_with_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    died = WorkerCrashedError()
    ends = retrained(monkeypatch, [died, GOOD], [GOOD], [died] * (MAX_DEATHS + 1))
    assert ends[:2] == ["complete", "complete"]
    assert ends[2].startswith("lost: ")


def test_a_run_that_ray_kills_for_memory_is_not_started_again_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killed = OutOfMemoryError("1 worker(s) were killed")
    ends = retrained(monkeypatch, [killed] * (MAX_DEATHS + 1), [killed, GOOD])
    assert ends == ["out_of_memory: 1 worker(s) were killed", "complete"]


def test_an_error_in_a_task_is_a_row_and_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bug: Any = RayTaskError("train", "traceback", ValueError("a bug\nand more"))  # type: ignore[no-untyped-call]
    assert retrained(monkeypatch, [bug], [GOOD]) == ["error: ValueError: a bug", "complete"]


def test_ray_itself_tries_nothing_again() -> None:
    options = {"num_cpus": 2.0, "num_gpus": 0.5, "max_retries": 0}
    assert place(Slots(3, cpus=2.0, gpus=0.5)) == (options, None)


def test_a_run_on_several_gpus_holds_them_only_as_long_as_it_lasts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held: set[object] = set()
    most = 0

    def made(bundles: Any, strategy: str) -> object:
        nonlocal most
        assert (bundles, strategy) == ([{"CPU": 1.0, "GPU": 1.0}] * 2, "STRICT_PACK")
        group = object()
        held.add(group)
        most = max(most, len(held))
        return group

    monkeypatch.setattr(ray.util, "placement_group", made)
    monkeypatch.setattr(ray.util, "remove_placement_group", held.remove)
    slots = Slots(2, cpus=2.0, gpus=2.0)
    ends = retrained(monkeypatch, [WorkerCrashedError(), GOOD], [GOOD], [GOOD], slots=slots)
    assert ends == ["complete"] * 3
    assert most == 2
    assert not held
    with pytest.raises(KeyboardInterrupt):
        retrained(monkeypatch, [KeyboardInterrupt()], [GOOD], slots=slots)
    assert not held


@pytest.mark.parametrize(
    ("name", "folder", "end"),
    [
        ("resnet8_small-width8", None, "complete"),
        ("resnet8_small-width400000", None, "out_of_memory"),
        ("resnet8_small-width8", "/nowhere", "error"),
    ],
)
def test_how_a_run_ends(name: str, folder: str | None, end: str) -> None:
    data = DataSettings("cifar10", folder) if folder else CONFIG.data
    settings = settings_of(SearchConfig(data=data, epochs=2, final_epochs=1), Slots(1, 1.0, 0.0), 1)
    assert settings.epochs == 1
    architecture = Architecture.parse(name)
    result = with_weights(train_and_test(architecture.to_json(), settings, 0), architecture)
    assert result.end == end
    assert bool(result.reason) == (end != "complete")
    assert bool(result.weights) == (end == "complete")


def test_the_driver_makes_the_file_that_load_reads(tmp_path: Path) -> None:
    state = materialize(SMALL, num_classes=10, in_channels=1).state_dict()
    images = ImageShape(num_classes=10, in_channels=1, image_size=64).preprocessing
    done = with_weights(RetrainPayload(GOOD.result, state, 10, 1), SMALL, images)
    file = tmp_path / "winner.safetensors"
    file.write_bytes(done.weights)
    found = load(file)
    assert found.architecture == SMALL
    assert found.preprocessing.image_size == 64
    assert all(torch.equal(value, state[key]) for key, value in found.state_dict().items())


def test_what_wraps_a_users_model_is_not_in_the_file(tmp_path: Path) -> None:
    state = materialize(SMALL, num_classes=10, in_channels=1).state_dict()
    wrapped = {f"module._orig_mod.{key}": value for key, value in state.items()}
    done = with_weights(RetrainPayload(GOOD.result, wrapped, 10, 1), SMALL)
    file = tmp_path / "winner.safetensors"
    file.write_bytes(done.weights)
    assert load(file).state_dict().keys() == state.keys()
    assert not done.reason


def test_another_network_of_a_users_training_is_kept_without_a_wrong_word(tmp_path: Path) -> None:
    state = materialize(SMALL, num_classes=7, in_channels=1).state_dict()
    done = with_weights(RetrainPayload(GOOD.result, state, 10, 1), SMALL)
    assert done.end == "complete"
    assert "fc.weight is 7×" in done.reason
    file = tmp_path / "winner.safetensors"
    file.write_bytes(done.weights)
    with pytest.raises(InputError, match="does not say what network it holds"):
        load(file)
    materialize(SMALL, num_classes=7, in_channels=1, weights=file)


def test_weights_that_no_file_can_hold_are_the_end_of_one_run_only() -> None:
    sparse = torch.zeros(2, 2).to_sparse()
    done = with_weights(RetrainPayload(GOOD.result, {"a": sparse}, 10, 1), SMALL)
    assert (done.end, bool(done.reason)) == ("error", True)
    assert not done.weights


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_runs_of_two_processes_under_ray(tmp_path: Path) -> None:
    script = Path(__file__).with_name("retrained_by_two.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=450
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if "raylet" not in line] == [
        "complete True True",
        "complete True True",  # its peer was killed once
        "lost False False",
        "out_of_memory False False",
        "['0', '1', '1', '2', '2', '2', '2', '3']",
        "2.0",
    ]


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_runs_of_two_gpus_on_a_cluster_that_shrinks(tmp_path: Path) -> None:
    script = Path(__file__).with_name("retrained_on_less.py")
    short = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # a socket's path has 107 characters
    try:
        done = subprocess.run(
            [sys.executable, str(script), str(tmp_path)],
            env=os.environ | {"RAY_TMPDIR": short},
            capture_output=True,
            text=True,
            timeout=240,
        )
    finally:
        shutil.rmtree(short, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()  # and what Ray says of the node
    assert "complete complete complete complete complete" in told
    assert told[-1] == "2.0"


def retrainer(tmp_path: Path, printed: io.StringIO) -> Retrainer:
    run = RunDirectory(tmp_path)
    run.make_folders()
    plan: Any = SimpleNamespace(
        config=CONFIG, shared=None, images=ImageShape(num_classes=10, in_channels=1, image_size=8)
    )
    return Retrainer(SearchRun(plan, run, TWO, Console(file=printed, width=300)))


@pytest.mark.parametrize(
    ("done", "said", "kept"),
    [
        (RetrainResult("error", reason="KeyError: '[/b]'", traceback="Trace"), "failed: Key", True),
        (RetrainResult("not_finite", reason="the loss is not finite"), "diverged: the", False),
        (RetrainResult("lost", reason="its worker died"), "lost: its worker died (", True),
    ],
)
def test_a_retraining_that_fails_says_why_and_leaves_its_traceback(
    done: RetrainResult, said: str, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = io.StringIO()

    def train(pairs: Any, keep: Any, **_: Any) -> list[RetrainResult]:
        for architecture, seed in pairs:
            keep(architecture, seed, done if seed else GOOD.result)
        return [done] * len(pairs)

    monkeypatch.setattr("se_nas.search.finals.retraining.train_on_ray", train)
    retrainer(tmp_path, printed).train([(SMALL, 0), (SMALL, 5)], "the best")
    [line] = printed.getvalue().splitlines()
    assert f"note: retraining {SMALL} with seed 5: {said}" in line
    files = [file.read_text() for file in (tmp_path / "errors").iterdir()]
    assert len(files) == kept
    assert all((done.traceback or done.reason) in text for text in files)


def test_retrainings_that_would_all_fail_end_with_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = RetrainResult("error", reason="train() returned nothing to test", misuse=True)

    def train(pairs: Any, keep: Any, **_: Any) -> list[RetrainResult]:
        keep(*pairs[0], bad)
        raise AssertionError("it ends")

    monkeypatch.setattr("se_nas.search.finals.retraining.train_on_ray", train)
    with pytest.raises(
        InputError, match=r"train\(\) returned nothing to test: so every retraining"
    ):
        retrainer(tmp_path, io.StringIO()).train([(SMALL, 5)], "the best")
