"""The same seed with one worker, and several workers replayed, with real Ray."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from se_nas.search.replay import replay
from se_nas.space.space_files import load_space

ROOT = Path(__file__).resolve().parents[2]

TINY = """
from se_nas import SE, Space, choice, optional, trunk
SPACE = Space("tiny", trunk=trunk("resnet8_small", width=choice(8, 12)),
              se=optional(SE(reduction=choice(2, 4))))
"""


def search(out: Path, name: str, *arguments: str, space: str = "digits_se") -> list[object]:
    """Names, ends and values of the trained trials, in the order of their proposals."""
    command = [sys.executable, str(ROOT / "runners" / "search.py"), "--space", space]
    command += ["--gpus", "0", "--epochs", "2", "--final-seeds", "1", "--top", "1"]
    command += ["--no-dashboard", "--name", name, "--out", str(out), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=280, env=os.environ | {"COLUMNS": "200"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    storage = JournalStorage(JournalFileBackend(str(out / name / "study.journal")))
    told = optuna.load_study(study_name=name, storage=storage).trials
    return [
        (t.user_attrs["name"], t.user_attrs["end"], t.params, t.intermediate_values)
        for t in told
        if "architecture" in t.user_attrs
    ]


@pytest.mark.slow
def test_the_same_seed_with_one_worker_is_the_same_search(tmp_path: Path) -> None:
    options = ("--trials", "8", "--concurrency", "1", "--seed", "5")
    first = search(tmp_path, "first", *options)
    assert len(first) == 8
    assert search(tmp_path, "second", *options) == first
    assert str(replay(str(tmp_path / "first"))) == "all 8 proposals are the same"


@pytest.mark.slow
def test_several_workers_are_replayed_to_the_same_proposals(tmp_path: Path) -> None:
    search(tmp_path, "many", "--trials", "12", "--seed", "2")
    assert str(replay(str(tmp_path / "many"))) == "all 12 proposals are the same"


@pytest.mark.slow
def test_a_grid_starts_with_the_networks_that_are_named(tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(TINY)
    space = load_space(str(tmp_path / "tiny.py"))
    every = [str(a) for a in space]
    found = search(
        *(tmp_path, "grid", "--sampler", "grid", "--trials", "100", "--enqueue", every[-1]),
        space=str(tmp_path / "tiny.py"),
    )
    assert [row[0] for row in found] == [every[-1], *every[:-1]]  # type: ignore[index]
