"""Searches whose driver or workers are killed, with real Ray: nothing is lost, nothing told twice."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from se_nas import Space
from se_nas.search.run import ranking

ROOT = Path(__file__).resolve().parents[2]
RUNNER = str(ROOT / "runners" / "search.py")
SMALL = ["--gpus", "0", "--no-dashboard", "--limit-train", "200"]
FINALS = ["--top", "1", "--final-seeds", "2", "--final-epochs", "1"]


def start(*arguments: str, script: str = RUNNER) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
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


def records(run: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal; one that is being written is left out."""
    path = run / "study.journal"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def wait_for_epochs(run: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Until so many epochs, of all trials together, are in the journal."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if sum("intermediate_value" in record for record in records(run)) >= count:
            return
        time.sleep(0.05)


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


def completed(run: Path) -> dict[int, Any]:
    return {t.number: t.user_attrs["outcome"] for t in told(run) if t.state.is_finished()}


@pytest.mark.parametrize(
    ("kills", "trials"),
    [
        pytest.param(2, 5, id="twice"),
        pytest.param(
            20, 60, id="twenty-times", marks=[pytest.mark.slow, pytest.mark.timeout(1800)]
        ),
    ],
)
def test_a_driver_that_is_killed_again_and_again(kills: int, trials: int, tmp_path: Path) -> None:
    run, rng = tmp_path / "killed", random.Random(kills)
    first = ["--space", "digits_se", *SMALL, *FINALS, "--trials", str(trials), "--epochs", "4"]
    process = start(*first, "--name", "killed", "--out", str(tmp_path))
    before: dict[int, Any] = {}
    seen = 0
    for i in range(kills):
        if i and rng.random() < 0.25:  # while it starts, or is about to
            time.sleep(rng.uniform(1, 15))
        else:
            wait_for_epochs(run, seen + rng.randint(1, 3 * trials // kills // 2), process)
            time.sleep(rng.random() * 0.5)
        assert process.poll() is None, end(process)
        kill(process)
        seen = sum("intermediate_value" in record for record in records(run))
        assert before.items() <= completed(run).items()
        before = completed(run)
        process = start("--resume", str(run))
    assert "resumed " in end(process)
    check_nothing_is_lost(run, trials, epochs=4)
    assert before.items() <= completed(run).items()
