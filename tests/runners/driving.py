"""Searches as processes, and what they leave: for the tests that stop, kill and starve them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from se_nas import Space
from se_nas.cli import main
from se_nas.search.study.ranking import ranking

ROOT = Path(__file__).resolve().parents[2]
RUNNER = str(ROOT / "runners" / "search.py")
SMALL = ["--gpus", "0", "--no-dashboard", "--limit-train", "200"]
FINALS = ["--top", "1", "--final-seeds", "2", "--final-epochs", "1"]


def start(
    *arguments: str, script: str = RUNNER, group: bool = False, **environment: str
) -> subprocess.Popen[str]:
    """A search; ``group``: the first of a process group, as a shell starts it."""
    return subprocess.Popen(
        [sys.executable, script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"COLUMNS": "200"} | environment,
        start_new_session=group,
    )


def end(process: subprocess.Popen[str], code: int = 0) -> str:
    output, _ = process.communicate(timeout=280)
    assert process.returncode == code, output
    assert "Traceback" not in output, output
    return output


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the driver alone; its Ray processes have to notice."""
    process.kill()
    process.communicate(timeout=60)


def told(run: Path) -> list[FrozenTrial]:
    journal = JournalStorage(JournalFileBackend(str(run / "study.journal")))
    return optuna.load_study(study_name=run.name, storage=journal).trials


def completed(run: Path) -> dict[int, Any]:
    return {t.number: t.user_attrs["outcome"] for t in told(run) if t.state.is_finished()}


def records(run: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal; one that is being written is left out."""
    path = run / "study.journal"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def epochs_in(run: Path) -> int:
    """Epochs in the journal, of all trials together."""
    return sum("intermediate_value" in record for record in records(run))


def wait_until(
    found: Callable[[], Any], process: subprocess.Popen[str], seconds: float = 120
) -> None:
    """Until something is there, or the process is not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None and not found():
        time.sleep(0.02)


def wait_for_epochs(run: Path, count: int, process: subprocess.Popen[str]) -> None:
    wait_until(lambda: epochs_in(run) >= count, process)


def check_nothing_is_lost(run: Path, trials: int, epochs: int) -> None:
    """Every trial is there once and to its end, the sampler saw each result once."""
    trained = [t for t in told(run) if "architecture" in t.user_attrs]
    assert len(trained) == trials
    assert len({t.user_attrs["id"] for t in trained}) == trials
    assert not [t for t in told(run) if t.state in (TrialState.RUNNING, TrialState.FAIL)]
    for trial in trained:
        outcome = trial.user_attrs["outcome"]
        assert outcome["end"] in ("complete", "stopped_early")
        assert (trial.state is TrialState.COMPLETE) == (outcome["epochs"] == epochs)
        assert list(trial.intermediate_values) == list(range(1, outcome["epochs"] + 1))
        values = [epoch["val_acc"] for epoch in outcome["curve"]]
        assert values == list(trial.intermediate_values.values())
        assert all(epoch["val_loss"] > 0 for epoch in outcome["curve"])
        assert outcome["seed"] == 0
        assert outcome["worker"]
        assert 0 < outcome["seconds"] < 600
    ends = [r for r in records(run) if r["op_code"] == 6 and r["state"] in (1, 2, 3)]
    assert max(Counter(record["trial_id"] for record in ends).values()) == 1
    steps = Counter((r["trial_id"], r["step"]) for r in records(run) if "step" in r)
    assert max(steps.values()) == 1
    assert not list((run / "checkpoints").iterdir())
    space = Space.from_json((run / "space.json").read_text())
    journal = JournalStorage(JournalFileBackend(str(run / "study.journal")))
    ranked = ranking(optuna.load_study(study_name=run.name, storage=journal), space)
    results = json.loads((run / "results.json").read_text())
    assert results["ranking"] == [{"name": str(a), "values": v} for a, v in ranked]
    assert results["winner"]
    best = results["finals"][0]
    assert (best["name"], best["search_value"]) == (str(ranked[0][0]), ranked[0][1][0])


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a command that may not begin; it needs no cluster for that."""
    with pytest.raises(SystemExit) as caught:
        main(["search", *arguments])
    assert caught.value.code == 2
    line = capsys.readouterr().err.strip()
    assert "\n" not in line
    return line


def workers(pid: int) -> list[psutil.Process]:
    """Processes that train a trial."""
    found: list[psutil.Process] = []
    for process in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "SETrial" in " ".join(process.cmdline()) and process.status() != "zombie":
                found.append(process)
    return found
