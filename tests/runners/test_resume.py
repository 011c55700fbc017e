"""Searches whose driver or workers are killed, with real Ray: nothing lost, nothing told twice."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from PIL import Image

from se_nas import Space
from se_nas.cli import main
from se_nas.search.results import ranking

ROOT = Path(__file__).resolve().parents[2]
RUNNER = str(ROOT / "runners" / "search.py")
SMALL = ["--gpus", "0", "--no-dashboard", "--limit-train", "200"]
FINALS = ["--top", "1", "--final-seeds", "2", "--final-epochs", "1"]


def start(*arguments: str, script: str = RUNNER, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"COLUMNS": "200"} | environment,
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


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a command that may not begin; it needs no cluster for that."""
    with pytest.raises(SystemExit) as caught:
        main(["search", *arguments])
    assert caught.value.code == 2
    line = capsys.readouterr().err.strip()
    assert "\n" not in line
    return line


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ctrl_c_once_and_twice_and_a_second_driver(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "stopped"
    size = ["--trials", "200", "--epochs", "6", "--first-rung", "1"]
    # All images: an epoch that is long enough to be worth a checkpoint.
    few = ["--gpus", "0", "--no-dashboard", *FINALS]
    first = ["--space", "digits_se", *few, *size, "--out", str(tmp_path)]
    process = start(*first, "--name", "stopped")
    wait_for_epochs(run, 3, process)
    assert f"in use by process {process.pid}" in refused(capsys, "--resume", str(run))
    assert "finish it with --resume" in refused(capsys, *first, "--name", "stopped")
    process.send_signal(signal.SIGINT)
    output = end(process, code=130)
    assert "go on with --resume" in output
    running = {t.number: t for t in told(run) if t.state is TrialState.RUNNING}
    assert running
    saved = {file.name for file in (run / "checkpoints").iterdir()}
    assert saved <= {f"trial-{number:05d}.pt" for number in running}
    assert "ranking" in json.loads((run / "results.json").read_text())

    with (run / "study.journal").open("ab") as journal:
        journal.write(b'{"op_code":8,"worker_id":"cut in the mid')
    process = start("--resume", "stopped", "--out", str(tmp_path), "--trials", "300")
    seen = sum("intermediate_value" in record for record in records(run))
    wait_for_epochs(run, seen + 2, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output = end(process, code=130)
    assert "the study's journal was cut while it was written" in output
    assert f"{len(saved)} of them from a checkpoint" in output

    output = end(start("--resume", str(run), "--trials", "1"))  # those that run, and no more
    check_nothing_is_lost(run, trials=len({t.user_attrs["id"] for t in told(run)}), epochs=6)
    for trial in told(run):
        if trial.number in running:
            assert trial.user_attrs["id"] == running[trial.number].user_attrs["id"]
            earlier = running[trial.number].intermediate_values
            assert earlier.items() <= trial.intermediate_values.items()
    assert "is complete" in refused(capsys, "--resume", str(run))


FULL_DISK = """
import errno, os, runpy, sys
from optuna.storages.journal import JournalFileBackend

append = JournalFileBackend.append_logs
left = [12]

def full(self, logs):
    left[0] -= 1
    if left[0] >= 0:
        return append(self, logs)
    with open(self._file_path, "ab") as file:
        file.write(b'{"op_code":8,"work')
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

JournalFileBackend.append_logs = full
sys.argv[0] = {runner!r}
runpy.run_path({runner!r}, run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_full_disk_stops_the_search_in_one_line_and_it_goes_on_later(tmp_path: Path) -> None:
    run = tmp_path / "full"
    (tmp_path / "full_disk.py").write_text(FULL_DISK.replace("{runner!r}", repr(RUNNER)))
    first = ["--space", "digits_se", *SMALL, *FINALS, "--trials", "6", "--epochs", "2"]
    output = end(
        start(
            *(*first, "--name", "full", "--out", str(tmp_path)),
            script=str(tmp_path / "full_disk.py"),
        ),
        code=2,
    )
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "is full" in errors[0]
    assert f"--resume {os.path.relpath(run)}" in errors[0] or f"--resume {run}" in errors[0]
    assert not [t for t in told(run) if t.state is TrialState.FAIL]
    end(start("--resume", str(run)))
    check_nothing_is_lost(run, trials=6, epochs=2)


def workers(pid: int) -> list[psutil.Process]:
    """Processes that train a trial."""
    found: list[psutil.Process] = []
    for process in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "SETrial" in " ".join(process.cmdline()) and process.status() != "zombie":
                found.append(process)
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_workers_that_are_killed_at_random_go_on_from_their_checkpoints(tmp_path: Path) -> None:
    run, rng = tmp_path / "workers", random.Random(0)
    size = ["--trials", "4", "--epochs", "8", "--first-rung", "1"]
    base = ["--space", "digits_se", *SMALL, *FINALS, *size, "--sampler", "random"]
    process = start(*base, "--name", "workers", "--out", str(tmp_path))
    for epochs in (3, 9, 16):
        wait_for_epochs(run, epochs, process)
        victims = workers(process.pid)
        if victims:
            rng.choice(victims).kill()
    output = end(process)
    assert "a worker died" in output
    check_nothing_is_lost(run, trials=4, epochs=8)
    end(start(*base, "--name", "whole", "--out", str(tmp_path)))
    curves = [
        {t.user_attrs["id"]: t.user_attrs["outcome"]["curve"] for t in told(path)}
        for path in (run, tmp_path / "whole")
    ]
    assert curves[0] == curves[1]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_bug_in_most_trials_stops_the_search_and_it_goes_on_when_it_is_mended(
    tmp_path: Path,
) -> None:
    images = tmp_path / "images"
    rng = random.Random(0)
    for part in ("train", "test"):
        for label in range(2):
            folder = images / part / f"class{label}"
            folder.mkdir(parents=True)
            for i in range(20):
                color = (rng.randrange(100) + 150 * label, rng.randrange(256), rng.randrange(256))
                Image.new("RGB", (12, 12), color).save(folder / f"{i}.png")
    broken = sorted((images / "train" / "class0").glob("*.png"))
    whole = {file: file.read_bytes() for file in broken}
    for file in broken:
        file.write_bytes(file.read_bytes()[:40])
    run = tmp_path / "bug"
    base = ["--space", "digits_se", "--gpus", "0", "--no-dashboard", *FINALS]
    base += ["--data", "imagefolder", "--data-dir", str(images), "--image-size", "8"]
    output = end(
        start(*base, "--trials", "30", "--epochs", "1", "--name", "bug", "--out", str(tmp_path)),
        code=2,
    )
    assert "5 of 5 trials failed, more than a share of 0.5" in output
    assert "--resume" in output.splitlines()[-1]
    assert output.count("note: trial") >= 5
    assert len(list((run / "errors").iterdir())) >= 5
    for file, content in whole.items():
        file.write_bytes(content)
    end(start("--resume", str(run), "--trials", "4"))
    ended = [t for t in told(run) if t.state is not TrialState.FAIL and "id" in t.user_attrs]
    assert len(ended) == 4


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_workers_that_ray_kills_for_memory_are_infeasible_and_not_lost(tmp_path: Path) -> None:
    size = ["--trials", "3", "--epochs", "40", "--first-rung", "1"]
    process = start(
        *("--space", "digits_se", *SMALL, *FINALS, *size, "--name", "oom", "--out", str(tmp_path)),
        RAY_memory_usage_threshold="0.01",
        RAY_memory_monitor_refresh_ms="1000",
    )
    assert end(process, code=2).count("the host ran short of memory") == 3
    trained = [t for t in told(tmp_path / "oom") if "architecture" in t.user_attrs]
    assert [t.user_attrs["end"] for t in trained] == ["out_of_memory"] * 3
    assert all(t.state is TrialState.PRUNED and t.constraints["memory"] > 0 for t in trained)
    assert not list((tmp_path / "oom" / "errors").iterdir())
