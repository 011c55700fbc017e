"""A network trained by a recipe: its folder, its card, kills, and the card verified."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import se_nas
from se_nas import InputError
from se_nas.cli import main
from se_nas.data_settings import DataSettings
from se_nas.tasks.card import Card
from se_nas.tasks.checkpoint import read_checkpoint, write_checkpoint
from se_nas.tasks.train import resume, train
from se_nas.tasks.train_config import TrainConfig
from se_nas.tasks.verify import verify
from se_nas.training.recipes import EPOCHS, RECIPES

RUNNER = Path(__file__).resolve().parents[2] / "runners" / "train.py"
MODEL = "se_resnet8_small_r8"
CONFIG = TrainConfig(
    MODEL, DataSettings(limit_train=200), epochs=2, seeds=2, threads=1, device="cpu"
)


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


def test_weights_and_a_card_come_out_and_nothing_else(tmp_path: Path) -> None:
    said: list[str] = []
    card = train(CONFIG, tmp_path / "run", said.append)
    names = ["card.json", "seed-0.safetensors", "seed-1.safetensors", "settings.json"]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == names
    assert Card.read(tmp_path / "run") == card
    assert [run.seed for run in card.runs] == [0, 1]
    assert [len(run.curve) for run in card.runs] == [2, 2]
    assert card.test is not None
    assert card.test.mean == pytest.approx(sum(run.test_acc or 0 for run in card.runs) / 2)
    assert sum("epoch" in line for line in said) == 4
    model = se_nas.load(tmp_path / "run" / "seed-1.safetensors")
    assert (str(model.architecture), model.num_classes) == (MODEL, 10)
    assert model.preprocessing is not None
    assert card.params == sum(p.numel() for p in model.parameters())


def test_every_recipe_has_a_length() -> None:
    assert EPOCHS.keys() == RECIPES.keys()
    assert TrainConfig(MODEL, recipe=RECIPES["senet"]).budget == 100
    assert TrainConfig(MODEL, recipe=RECIPES["senet"], epochs=3).budget == 3


def test_settings_are_read_as_they_are_written() -> None:
    config = replace(CONFIG, recipe=RECIPES["adamw"], init="torchvision:resnet18", new_head=True)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_what_was_killed_five_times_is_to_the_last_bit_what_was_not(tmp_path: Path) -> None:
    arguments = [MODEL, "--epochs", "12", "--threads", "1", "--limit-train", "600",
                 "--out", str(tmp_path), "--device", "cpu"]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def start(*given: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(RUNNER), *given],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    whole = start(*arguments, "--name", "whole")
    assert "test_acc" in whole.communicate(timeout=280)[0]
    assert whole.returncode == 0
    cut, kills, rng = start(*arguments, "--name", "cut"), 0, random.Random(0)
    while kills < 5:
        assert cut.stdout is not None
        told = []
        for line in cut.stdout:
            told.append(line)
            if "  epoch " in line:
                break
        assert "  epoch " in told[-1], (told, cut.wait(timeout=60))
        time.sleep(rng.uniform(0, 0.15))  # inside the next epoch, or while it is written
        cut.send_signal(signal.SIGKILL)
        cut.communicate(timeout=60)
        kills += 1
        cut = start("--resume", str(tmp_path / "cut"))
    said = cut.communicate(timeout=280)[0]
    assert "goes on after epoch" in said
    ours, theirs = (load_file(tmp_path / n / "seed-0.safetensors") for n in ("whole", "cut"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    cards = [Card.read(tmp_path / name) for name in ("whole", "cut")]
    curves = [[(e["train_loss"], e["val_acc"]) for e in c.runs[0].curve] for c in cards]
    assert curves[0] == curves[1]
    assert len(curves[0]) == 12


def test_a_signal_ends_it_in_a_line_that_says_how_to_go_on(tmp_path: Path) -> None:
    started = subprocess.Popen(
        [sys.executable, str(RUNNER), MODEL, "--epochs", "500", "--threads", "1", "--name", "run",
         "--out", str(tmp_path), "--device", "cpu"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert started.stdout is not None
    for line in started.stdout:
        if "  epoch " in line:
            break
    started.send_signal(signal.SIGTERM)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 143
    assert errors == f"interrupted: go on with --resume {tmp_path / 'run'}\n"


def test_a_seed_that_is_done_is_not_trained_again(tmp_path: Path) -> None:
    seen: list[str] = []

    def stop(line: str) -> None:
        seen.append(line)
        if line.startswith("seed 1  epoch"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, tmp_path / "run", stop)
    again: list[str] = []
    card = resume(tmp_path / "run", again.append)
    assert not any(line.startswith("seed 0  epoch") for line in again)
    whole = train(CONFIG, tmp_path / "whole")
    assert [r.test_acc for r in card.runs] == [r.test_acc for r in whole.runs]
    assert resume(tmp_path / "run", again.append) == card
    assert again[-1].endswith("is complete")


def test_a_training_starts_from_weights_with_another_head(tmp_path: Path) -> None:
    plain = se_nas.materialize("resnet8_small", num_classes=7, in_channels=1)
    se_nas.save(plain, tmp_path / "trunk.safetensors")
    config = replace(CONFIG, seeds=1, epochs=1, init=str(tmp_path / "trunk.safetensors"))
    with pytest.raises(InputError, match="7"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    card = train(replace(config, new_head=True), tmp_path / "run")
    assert card.test is not None


def test_a_divergence_is_told_and_is_no_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = command(
        capsys, "train", MODEL, "--learning-rate", "1e30", "--epochs", "1", "--out", str(tmp_path),
        "--name", "run", "--limit-train", "200",
    )  # fmt: skip
    assert code == 1
    assert "loss is not finite in epoch 1; try a lower learning rate" in out
    assert Card.read(tmp_path / "run").test is None
    with pytest.raises(InputError, match="no training that came to its end"):
        verify(tmp_path / "run")


def test_a_card_is_verified_and_a_wrong_one_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(replace(CONFIG, seeds=1), tmp_path / "run")
    found = verify(tmp_path / "run")
    assert (found.seed, found.same, found.holds) == (0, True, True)
    path = tmp_path / "run" / "card.json"
    told = json.loads(path.read_text())
    told["test"] |= {"low": 0.99999, "high": 1.0}
    path.write_text(json.dumps(told))
    code, out, _ = command(capsys, "verify", str(path))
    assert code == 1
    assert "not verified: seed 0 gives" in out
    told["data"]["content"] = "pixels:0"
    path.write_text(json.dumps(told))
    code, _, err = command(capsys, "verify", str(path))
    assert (code, err.count("\n")) == (2, 1)
    assert "images are not those of the card" in err


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "seed-0.pt"
    write_checkpoint(path, {"curve": [1.0]})

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match=r"cannot be written: No space left on device; .*--resume"):
        write_checkpoint(path, {"curve": [2.0]})
    assert read_checkpoint(path) == {"curve": [1.0]}
    assert [each.name for each in tmp_path.iterdir()] == ["seed-0.pt"]
    path.write_bytes(b"half")
    with pytest.raises(InputError, match="is damaged; remove it"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "MODEL is missing"),
        (["se_resnet19_r16"], "did you mean"),
        ([MODEL, "--recipe", "senett"], "did you mean 'senet'"),
        ([MODEL, "--device", "gpu"], "unknown device 'gpu'"),
        ([MODEL, "--seeds", "0"], "seeds"),
        ([MODEL, "--new-head"], "give init too"),
        ([MODEL, "--name", "a/b"], "a run's name is no path"),
        ([MODEL, "--data", "fashion_mnist"], "data_dir is not given"),
        ([MODEL, "--init", "nothing.safetensors"], "nothing.safetensors"),
        ([MODEL, "--init", "torchvision:resnet19"], "did you mean"),
        (["--resume", "nowhere"], "no training that can go on"),
        ([MODEL, "--resume", "nowhere"], "give nothing else"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = command(capsys, "train", *arguments)
    assert (code, err.count("\n")) == (2, 1), err
    assert said in err
    assert not list(tmp_path.iterdir())


def test_a_folder_is_not_written_over_nor_used_twice(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(InputError, match="is there already: go on with --resume"):
        train(CONFIG, tmp_path / "run")
    train(replace(CONFIG, seeds=1, epochs=1), tmp_path / "other")
    (tmp_path / "other" / "card.json").unlink()
    settings = tmp_path / "other" / "settings.json"
    told = json.loads(settings.read_text())
    settings.write_text(json.dumps(told | {"data": "pixels:0"}))
    with pytest.raises(InputError, match="not those that the run"):
        resume(tmp_path / "other")
    settings.write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        resume(tmp_path / "other")
