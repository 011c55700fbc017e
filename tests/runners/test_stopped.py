"""Signals to a search at every stage, and a driver that dies in its finals, with real Ray."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
from driving import (
    SMALL,
    check_nothing_is_lost,
    end,
    epochs_in,
    kill,
    start,
    told,
    wait_for_epochs,
    wait_until,
)
from optuna.trial import TrialState

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def stopped(process: subprocess.Popen[str], run: Path, code: int) -> None:
    """One line says how to go on, and nothing was told of trials that did not end."""
    output = end(process, code)
    assert output.count("go on with --resume") == 1
    assert not [t for t in told(run) if t.state is TrialState.FAIL]


def cancel(process: subprocess.Popen[str]) -> None:
    """As Slurm does, Ray too: the driver may go down with it, or wait for it in vain."""
    for every in [*psutil.Process(process.pid).children(recursive=True), process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            every.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode != 0


def test_signals_end_a_search_that_can_be_resumed(tmp_path: Path) -> None:
    run = tmp_path / "stopped"
    size = ["--trials", "4", "--epochs", "8", "--first-rung", "1", "--top", "1"]
    # All images: epochs that are long enough to be worth a checkpoint.
    first = ["--space", "digits_se", "--gpus", "0", "--no-dashboard", *size, "--final-seeds", "1"]
    for number in (signal.SIGINT, signal.SIGTERM):
        process = start(*first, "--name", "stopped", "--out", str(tmp_path), group=True)
        wait_until(lambda: (run / "versions.json").exists(), process)
        time.sleep(1)  # Ray starts
        if number == signal.SIGTERM:
            process.send_signal(number)
        else:
            os.killpg(process.pid, number)
        assert "interrupted" in end(process, 128 + number)
        assert not run.exists(), "nothing was begun"
    process = start(*first, "--name", "stopped", "--out", str(tmp_path))
    wait_for_epochs(run, 1, process)
    kill(process)

    for number in (signal.SIGTERM, signal.SIGHUP):
        seen = epochs_in(run)
        process = start("--resume", str(run), group=True)
        wait_for_epochs(run, seen + 2, process)
        process.send_signal(number)
        stopped(process, run, 128 + number)
    seen = epochs_in(run)
    process = start("--resume", str(run), group=True)
    wait_for_epochs(run, seen + 2, process)
    cancel(process)
    assert not [t for t in told(run) if t.state is TrialState.FAIL]
    end(start("--resume", str(run)))
    check_nothing_is_lost(run, trials=4, epochs=8)


def test_a_driver_that_dies_in_its_finals_repeats_none_and_ends_with_the_same_table(
    tmp_path: Path,
) -> None:
    size = ["--trials", "3", "--epochs", "2", "--first-rung", "1", "--sampler", "random"]
    finals = ["--top", "2", "--final-seeds", "3", "--final-epochs", "12"]
    first = ["--space", "digits_se", *SMALL, *size, *finals, "--out", str(tmp_path)]
    run, whole = tmp_path / "cut", tmp_path / "whole"

    def kept() -> dict[str, int]:
        return {f.name: f.stat().st_mtime_ns for f in (run / "finals").glob("*.json")}

    def more_than(count: int) -> bool:
        return len(kept()) > count

    process = start(*first, "--name", "cut", group=True)
    wait_until(kept, process)
    kill(process)
    done = kept()
    assert 1 <= len(done) < 6
    assert json.loads((run / "results.json").read_text())["ranking"]
    for code in (130, 143):  # Ctrl-C, and a batch system
        process = start("--resume", str(run), group=True)
        wait_until(partial(more_than, len(done)), process)
        if code == 143:
            process.send_signal(signal.SIGTERM)
        else:
            os.killpg(process.pid, signal.SIGINT)
        stopped(process, run, code)
        assert done.items() <= kept().items(), "what was retrained is not retrained"
        done = kept()
    process = start("--resume", str(run), group=True)
    wait_until(partial(more_than, len(done)), process)
    cancel(process)
    end(start("--resume", str(run)))
    end(start(*first, "--name", "whole"))
    results = [json.loads((path / "results.json").read_text()) for path in (run, whole)]
    assert results[0] == results[1]
    check_nothing_is_lost(run, trials=3, epochs=2)
