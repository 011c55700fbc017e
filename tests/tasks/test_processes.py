"""Several processes of one training, started by torchrun, on CPUs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file

from se_nas.tasks.processes import count, is_first, joined, of_first, started_by

ROOT = Path(__file__).resolve().parents[2]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
SCRIPT = str(ROOT / "runners" / "train.py")
MODEL = ["se_resnet8_small_r8", "--epochs", "4", "--limit-train", "200", "--batch-size", "32"]
QUIET = {**os.environ, "OMP_NUM_THREADS": "1", "RANK": "", "WORLD_SIZE": "1"}


def begin(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*TORCHRUN, SCRIPT, *arguments],
        cwd=folder, env=QUIET, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_two_processes_train_one_network_and_go_on_where_they_were_killed(tmp_path: Path) -> None:
    settings = [*MODEL, "--threads", "1", "--out", "runs"]
    whole = begin(tmp_path, *settings, "--name", "whole")
    out, errors = whole.communicate(timeout=200)
    assert whole.returncode == 0, errors
    assert out.count("epoch   4/4") == 1, "one of them prints"
    card = json.loads((tmp_path / "runs/whole/card.json").read_text())
    assert card["hardware"]["processes"] == 2
    assert card["command"].startswith("torchrun --nproc-per-node 2 ")

    cut = begin(tmp_path, *settings, "--name", "cut")
    checkpoint = tmp_path / "runs/cut/seed-0.pt"
    while not checkpoint.exists():
        assert cut.poll() is None, cut.communicate()
        time.sleep(0.01)
    its_own = psutil.Process(cut.pid).children(recursive=True)  # in sessions of their own
    os.killpg(cut.pid, signal.SIGKILL)
    for process in its_own:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    cut.communicate()
    again = begin(tmp_path, "--resume", "runs/cut")
    out, errors = again.communicate(timeout=200)
    assert again.returncode == 0, errors
    a, b = (load_file(tmp_path / f"runs/{name}/seed-0.safetensors") for name in ("whole", "cut"))
    assert all(a[key].equal(b[key]) for key in a)
    accs = [
        json.loads((tmp_path / f"runs/{name}/card.json").read_text())["test"]["mean"]
        for name in ("whole", "cut")
    ]
    assert accs[0] == accs[1]


def test_an_error_is_told_once_and_ends_all(tmp_path: Path) -> None:
    (tmp_path / "runs/there").mkdir(parents=True)
    run = begin(tmp_path, *MODEL, "--out", "runs", "--name", "there")
    _, errors = run.communicate(timeout=200)
    assert run.returncode != 0
    assert errors.count("error: the run 'runs/there' is there already") == 1


def test_without_torchrun_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined("cpu"):
        assert (count(), is_first(), of_first("x"), started_by()) == (1, True, "x", ["python"])
