"""The way through a search, with neither Ray nor training: what is on the disk at which moment."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from se_nas import (
    SE,
    InputError,
    Space,
    choice,
    latency_ms,
    materialize,
    optional,
    per_stage,
    save,
)
from se_nas.architecture.architecture import Architecture
from se_nas.console import make_console
from se_nas.latency.blocks import blocks
from se_nas.latency.settings import LatencySettings, Signature
from se_nas.latency.table import Latency, Profile
from se_nas.search import run
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import DataSettings, SearchConfig
from se_nas.search.finals import retraining
from se_nas.search.plan import SearchRun
from se_nas.search.pricing import latency_table
from se_nas.search.results.again import show_again
from se_nas.search.run_dir import directory
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.records import Outcome
from se_nas.search.study.storage_errors import check_storage
from se_nas.search.worker.data import load_data
from se_nas.search.worker.retrain import RetrainResult
from se_nas.search.worker.shared_data import SharedData

SPACE = Space(
    "small",
    trunk="resnet8_small",
    se=per_stage(optional(SE(reduction=choice(2, 4)))),
    constraints=[latency_ms <= 1e6],
)
CONSOLE = Console(width=200)


class Measurer:
    """Every block takes a millisecond."""

    def identity(self) -> dict[str, Any]:
        return {"device": "made up"}

    def measure(self, architecture: Architecture) -> Latency:
        return Latency(7.0, 6.0, 8.0)

    def profile(self, architecture: Architecture) -> Profile:
        count = len(blocks(architecture, Signature(8, 1, 10)))
        return Profile((1.0,) * count, float(count))


class Device:
    """Stands for ``exclusive_measurer``: the n-th time it fails as it is told, or is free."""

    def __init__(self, *failures: BaseException | None) -> None:
        self.failures = list(failures)
        self.seen: list[bool] = []  # whether the run was complete by then
        self.run: Path | None = None
        self.given: dict[str, list[Any]] = {}  # the images that a training was given

    @contextlib.contextmanager
    def __call__(self, *_: object) -> Iterator[Measurer]:
        complete = self.run is not None and directory.RunDirectory(self.run).complete
        winner = self.run is not None and (self.run / "winner.safetensors").is_file()
        self.seen.append(complete and winner)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        yield Measurer()


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Device:
    """A search in which trials end at once and retrainings are good from the start."""
    found = Device()
    found.run = tmp_path / "run"

    @contextlib.contextmanager
    def connected(config: SearchConfig, errors: Path) -> Iterator[Slots]:
        yield Slots(1, 1.0, 0.0)

    def tune_trials(search_run: SearchRun, proposals: Proposals) -> None:
        found.given.setdefault("trials", []).append(search_run.plan.shared)
        while (proposal := proposals.ask()) is not None:
            proposals.tell(proposal, Outcome("complete", {"val_acc": 0.5}, 1))

    def train_on_ray(
        pairs: list[Any], *_: object, images: Any, **__: object
    ) -> list[RetrainResult]:
        found.given.setdefault("retrainings", []).append(images)
        return [RetrainResult("complete", 0.5, 1.0, 0.5, b"weights") for _ in pairs]

    monkeypatch.setattr(run, "connected", connected)
    monkeypatch.setattr(run, "tune_trials", tune_trials)
    monkeypatch.setattr(retraining, "train_on_ray", train_on_ray)
    monkeypatch.setattr(latency_table, "exclusive_measurer", found)
    return found


def settings(tmp_path: Path) -> SearchConfig:
    return SearchConfig(
        data=DataSettings(limit_train=200),
        trials=2,
        epochs=1,
        top=1,
        final_seeds=1,
        name="run",
        out=str(tmp_path),
        latency=LatencySettings(cache=str(tmp_path / "cache"), held_out=2),
    )


def test_the_final_latencies_come_when_everything_else_is_written(
    device: Device, tmp_path: Path
) -> None:
    done = run.search(SPACE, settings(tmp_path), CONSOLE)
    assert device.seen == [False, True]
    finals = done.read("results.json")["finals"]
    assert [final["latency"]["median_ms"] for final in finals] == [7.0] * len(finals)
    assert len(done.read("latency.json")["finals"]["networks"]) == len(finals)
    assert done.winner.read_bytes() == b"weights"
    assert {path.name for path in done.path.iterdir()} == {
        *(
            "space.json",
            "settings.json",
            "run.toml",
            "versions.json",
            "study.journal",
            "latency.json",
        ),
        *("errors", "checkpoints", "lock", "results.json", "winner.json", "winner.safetensors"),
        *("card.json", "report.html"),
    }


def test_trials_and_retrainings_share_the_images_of_the_driver(
    device: Device, tmp_path: Path
) -> None:
    run.search(SPACE, settings(tmp_path), CONSOLE)
    images = load_data(settings(tmp_path).data, 0)
    assert set(device.given) == {"trials", "retrainings"}
    for given in [*device.given["trials"], *device.given["retrainings"]]:
        assert isinstance(given, SharedData)
        assert given.data().summary() == images.summary()
        assert torch.equal(given.data().train.images_nchw, images.train.images_nchw)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (InputError("no device was free for 600 s (8 CPU on one node)"), "no device was free for"),
        (ValueError("a bug\nin two lines"), "ValueError: a bug\n"),
        (OSError(28, "No space left on device"), "No space left"),
    ],
)
def test_a_run_is_complete_though_its_networks_cannot_be_timed(
    failure: Exception,
    reason: str,
    device: Device,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    device.failures = [None, failure]
    done = run.search(SPACE, settings(tmp_path), CONSOLE)
    output = capsys.readouterr().out
    assert output.count("the final networks were not timed: ") == 1
    assert reason in output
    assert "the winner, trained" in output
    assert done.complete
    assert all(final["latency"] is None for final in done.read("results.json")["finals"])


def test_ctrl_c_while_the_final_networks_are_timed_costs_nothing_else(
    device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device.failures = [None, KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        run.search(SPACE, settings(tmp_path), CONSOLE)
    output = capsys.readouterr().out
    assert "not timed: interrupted; the run is complete" in output
    assert "the winner, trained" in output
    assert directory.RunDirectory(tmp_path / "run").complete


def test_a_search_that_an_error_ends_has_the_results_so_far(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many_failed(_: SearchRun, proposals: Proposals) -> None:
        for outcome in (Outcome("complete", {"val_acc": 0.5}, 1), Outcome("error", {})):
            proposal = proposals.ask()
            assert proposal is not None
            proposals.tell(proposal, outcome)
        raise InputError("1 of 2 trials failed")

    monkeypatch.setattr(run, "tune_trials", too_many_failed)
    with pytest.raises(InputError, match="1 of 2 trials failed"):
        run.search(SPACE, settings(tmp_path), CONSOLE)
    found = directory.RunDirectory(tmp_path / "run").read("results.json")
    assert [entry["values"] for entry in found["ranking"]] == [[0.5]]
    assert found["proposals"]["ends"] == {"complete": 1, "error": 1}


def test_a_sampler_that_cannot_be_made_is_refused_before_ray_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "connected", None)
    unknown = replace(settings(tmp_path), sampler="optuna.samplers.NoSuch")
    with pytest.raises(InputError, match="has no 'NoSuch'"):
        run.search(SPACE, unknown, CONSOLE)
    assert not (tmp_path / "run").exists()


def test_ctrl_c_before_the_first_trial_leaves_no_run_behind(device: Device, tmp_path: Path) -> None:
    device.failures = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        run.search(SPACE, settings(tmp_path), CONSOLE)
    assert not (tmp_path / "run").exists()


def test_a_complete_run_that_cannot_be_taken_up_is_complete_still(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run.search(SPACE, settings(tmp_path), CONSOLE)
    before = {
        name: json.loads((done.path / name).read_text())
        for name in ("results.json", "settings.json", "versions.json")
    }
    more = replace(settings(tmp_path), trials=4)
    (done.path / "latency.json").unlink()  # to be measured again
    device.failures = [InputError("latency_ms cannot be measured: no answer")]
    with pytest.raises(InputError, match="cannot be measured"):
        run.resume(str(done.path), None, more, ["trials"], CONSOLE)
    assert before == {name: json.loads((done.path / name).read_text()) for name in before}

    began: list[bool] = []
    tune_trials = run.tune_trials

    def train(search_run: SearchRun, proposals: Proposals) -> None:
        began.append(done.complete)
        tune_trials(search_run, proposals)

    monkeypatch.setattr(run, "tune_trials", train)
    run.resume(str(done.path), None, more, ["trials"], CONSOLE)
    assert began == [False]  # one that is cut now has to go on
    assert done.complete
    assert done.read("settings.json")["trials"] == 4
    assert len(done.read("results.json")["ranking"]) == 4


def test_a_run_whose_study_was_moved_does_not_begin_again(device: Device, tmp_path: Path) -> None:
    url, moved = f"sqlite:///{tmp_path}/study.db", f"sqlite:///{tmp_path}/moved.db"
    plain = Space("plain", trunk="resnet8_small", se=SPACE.se)
    run.search(plain, replace(settings(tmp_path), storage=url), CONSOLE)
    (tmp_path / "study.db").rename(tmp_path / "moved.db")
    asked = replace(settings(tmp_path), trials=3)
    with pytest.raises(InputError) as caught:
        run.resume("run", None, asked, ["trials"], CONSOLE)
    named = directory.RunDirectory(tmp_path / "run").shown
    assert f"the study 'run' of the run {named} is not in {url!r}" in str(caught.value)
    assert "give its `storage`" in str(caught.value)
    done = run.resume("run", None, replace(asked, storage=moved), ["trials", "storage"], CONSOLE)
    assert len(done.read("results.json")["ranking"]) == 3
    assert done.read("settings.json")["storage"] == moved


def test_a_run_whose_journal_is_gone_does_not_begin_again(device: Device, tmp_path: Path) -> None:
    done = run.search(SPACE, settings(tmp_path), CONSOLE)
    done.journal.unlink()
    with pytest.raises(InputError, match=r"is not in '.*study\.journal'"):
        run.resume("run", None, replace(settings(tmp_path), trials=3), ["trials"], CONSOLE)


def test_a_storage_that_cannot_be_opened_is_named_without_its_password(
    device: Device, tmp_path: Path
) -> None:
    config = replace(settings(tmp_path), storage="nosuch://me:secret@host/db")
    with pytest.raises(InputError, match="cannot be opened") as caught:
        run.search(SPACE, config, CONSOLE)
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("how", ["missing", "cut", "empty", "folder"])
def test_a_complete_run_says_of_its_winner_whether_it_loads(
    device: Device, tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run.search(SPACE, settings(tmp_path), CONSOLE)
    materialized = materialize("resnet8_small", num_classes=10)
    save(materialized, done.winner)
    console = make_console()
    show_again(done, console)
    assert "se_nas.load(" in capsys.readouterr().out
    content = done.winner.read_bytes()
    done.winner.unlink()
    if how == "folder":
        done.winner.mkdir()
    elif how != "missing":
        done.winner.write_bytes(content[: len(content) // 2] if how == "cut" else b"")
    show_again(done, console)
    printed = capsys.readouterr().out
    assert "se_nas.load(" not in printed
    assert ("without weights" if how == "missing" else "whose file is damaged: ") in printed


def test_a_password_of_one_letter_is_hidden_and_shown_by_nothing() -> None:
    with pytest.raises(InputError) as caught:
        check_storage("foo://u:p@h/x")
    assert "plugin" in str(caught.value)
    assert ":p@" not in str(caught.value)


def test_a_driver_file_that_says_nothing_is_one_line(device: Device, tmp_path: Path) -> None:
    done = run.search(SPACE, settings(tmp_path), CONSOLE)
    (done.path / "driver.json").write_text("{}")
    with pytest.raises(InputError, match=r"driver\.json' does not say which driver"):
        run.resume("run", None, replace(settings(tmp_path), trials=3), ["trials"], CONSOLE)
