"""The commands of the first minutes: ``list``, ``new`` and ``doctor``."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from se_nas import list_models, load_space
from se_nas.cli import doctor, main
from se_nas.data import DATASETS
from se_nas.space.space_files import space_files
from se_nas.tasks.train import train
from se_nas.tasks.train_config import TrainConfig
from se_nas.training.recipes import RECIPES


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    said = capsys.readouterr()
    assert end.value.code == code, said.err
    return said.out if code != 2 else said.err


def first_words(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()]


def test_everything_that_has_a_name_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert first_words(told(capsys, "list", "models")) == list_models()
    assert first_words(told(capsys, "list", "spaces")) == sorted(space_files())
    assert first_words(told(capsys, "list", "data")) == [*DATASETS, "FILE.py"]
    assert first_words(told(capsys, "list", "recipes")) == [*RECIPES]
    said = told(capsys, "list", "recipe", code=2)
    assert "unknown list 'recipe'; did you mean 'recipes'?" in said


def test_runs_are_listed_with_their_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, "list", "runs", "--out", str(tmp_path)) == f"no runs in {tmp_path}\n"
    train(TrainConfig("resnet8_small", epochs=1, device="cpu"), tmp_path / "trained")
    for name, results in (
        ("begun", None), ("done", '{"winner": "resnet18"}'), ("torn", "{"),
    ):  # fmt: skip
        (tmp_path / name).mkdir()
        for file in ("settings.json", "space.json"):
            (tmp_path / name / file).write_text("{}")
        if results is not None:
            (tmp_path / name / "results.json").write_text(results)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "settings.json").write_text("{}")
    lines = told(capsys, "list", "runs", "--out", str(tmp_path)).splitlines()
    assert lines[0] == "begun  search, not complete"
    assert lines[1] == "cut  training, not complete"
    assert lines[2] == "done  search, winner resnet18"
    assert "holds no JSON object" in lines[3]
    assert lines[4].startswith("trained  training, test_acc ")


def test_a_new_space_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "--dry-run" in told(capsys, "new", "space", "my-space.py")
    space = load_space("./my-space.py")
    assert space.name == "my_space"
    assert space.sample(0) in space
    (tmp_path / "my-space.py").write_text("mine")
    assert "is there already" in told(capsys, "new", "space", "my-space.py", code=2)
    assert (tmp_path / "my-space.py").read_text() == "mine"
    assert "ends with .py" in told(capsys, "new", "space", "my-space", code=2)
    assert "unknown kind 'trunk'" in told(capsys, "new", "trunk", "a.py", code=2)
    assert "cannot be written" in told(capsys, "new", "space", "none/a.py", code=2)


def test_a_machine_that_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "doctor", "--out", str(tmp_path / "runs"))
    lines = {line[5:22].strip(): line for line in said.splitlines()}
    assert lines["torch"].startswith("ok   torch ")
    assert {"GPUs", "CPUs", "dashboard", "temporary files"} <= set(lines)
    assert "FAIL" not in said


def test_what_hinders_a_search_is_told_with_its_mend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name in ("optuna", "timm"):
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    said = told(capsys, "doctor", code=1)
    assert "FAIL optuna           not installed; pip install" in said
    assert "note timm             not installed; for the plugin for timm" in said
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    assert "cannot be written; give --out" in told(capsys, "doctor", code=1)


def test_little_room_and_a_port_in_use_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage: Any = SimpleNamespace(free=5e8)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        monkeypatch.setattr(doctor, "DASHBOARD_PORT", held.getsockname()[1])
        said = told(capsys, "doctor")
    assert "0.5 GB free in /tmp" in said or "set TMPDIR" in said
    assert "is taken: Ray takes the next one" in said


def test_a_shell_completes_commands_and_options() -> None:
    def completed(words: str) -> list[str]:
        told = {"_SE_NAS_COMPLETE": "complete_bash", "COMP_WORDS": words}
        told["COMP_CWORD"] = str(len(words.split()) - 1)
        script = "import sys; sys.argv = ['se-nas']; from se_nas.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, **told}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert completed("se-nas mat") == ["materialize"]
    found = completed("se-nas search --final")
    assert sorted(found) == ["--final-epochs", "--final-runs", "--final-seeds"]
