"""Searches whose driver or workers are killed, with real Ray: nothing lost, nothing told twice."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from driving import (
    FINALS,
    SMALL,
    check_nothing_is_lost,
    completed,
    end,
    epochs_in,
    kill,
    refused,
    start,
    told,
    wait_for_epochs,
    wait_until,
    workers,
)
from optuna.trial import TrialState
from PIL import Image


@pytest.mark.parametrize(
    ("kills", "trials"),
    [
        pytest.param(2, 5, id="twice", marks=pytest.mark.slow),
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
        seen = epochs_in(run)
        assert before.items() <= completed(run).items()
        before = completed(run)
        process = start("--resume", str(run))
    assert "resumed " in end(process)
    check_nothing_is_lost(run, trials, epochs=4)
    assert before.items() <= completed(run).items()


NOTING = """
import os, sys, time
from functools import partial
from se_nas.search.cluster.ray_environment import configure_ray

configure_ray(None)

from se_nas.cli import main
from se_nas.search import run
from se_nas.search.worker.trial import SETrial
from se_nas.search.tuning.tune import tune_trials

FOLDER = os.path.dirname(os.path.abspath(__file__))


class Noting(SETrial):
    def _step(self):
        epoch = 1 if self.training is None else len(self.epochs) + 1
        if epoch == 3 and not os.path.exists(FOLDER + "/died"):
            open(FOLDER + "/died", "w").close()
            os._exit(1)
        if epoch == 5 and "HOLD" in os.environ:
            open(FOLDER + "/held", "w").close()
            time.sleep(300)  # the driver is killed, and this with it
        result = super()._step()
        with open(FOLDER + "/epochs", "a") as file:
            print(os.getpid(), result["epoch"], file=file)
        return result

    def _save(self):
        self.saving_s = 0.0  # every epoch is worth it
        super()._save()


run.tune_trials = partial(tune_trials, trainable=Noting)
main(["search", *sys.argv[1:]])
"""


def test_a_killed_worker_and_a_killed_driver_cost_no_epoch_that_was_saved(tmp_path: Path) -> None:
    (tmp_path / "noting.py").write_text(NOTING)
    run, script = tmp_path / "saved", str(tmp_path / "noting.py")
    size = ["--trials", "1", "--concurrency", "1", "--epochs", "6", "--first-rung", "1"]
    base = ["--space", "digits_se", *SMALL, *size, "--top", "1", "--final-seeds", "1"]
    base += ["--final-epochs", "1", "--name", "saved", "--out", str(tmp_path)]
    process = start(*base, script=script, HOLD="1")
    wait_until(lambda: (tmp_path / "held").exists() and epochs_in(run) == 4, process)
    assert process.poll() is None, end(process)
    kill(process)
    output = end(start("--resume", str(run), script=script))
    assert "1 of them from a checkpoint" in output
    trained: dict[str, list[int]] = {}
    for line in (tmp_path / "epochs").read_text().splitlines():
        pid, epoch = line.split()
        trained.setdefault(pid, []).append(int(epoch))
    assert list(trained.values()) == [[1, 2], [3, 4], [5, 6]]
    check_nothing_is_lost(run, trials=1, epochs=6)


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
    assert saved, "at least the trials that had an epoch"
    assert saved <= {f"trial-{number:05d}.pt" for number in running}
    assert "ranking" in json.loads((run / "results.json").read_text())

    with (run / "study.journal").open("ab") as journal:
        journal.write(b'{"op_code":8,"worker_id":"cut in the mid')
    process = start("--resume", "stopped", "--out", str(tmp_path), "--trials", "300")
    seen = epochs_in(run)
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
    before = (run / "results.json").read_bytes()
    assert "is complete; with more --trials it goes on" in end(start("--resume", str(run)))
    assert (run / "results.json").read_bytes() == before


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_workers_that_are_killed_at_random_go_on_from_their_checkpoints(tmp_path: Path) -> None:
    run, rng = tmp_path / "workers", random.Random(0)
    size = ["--trials", "20", "--epochs", "6", "--first-rung", "1"]
    base = ["--space", "digits_se", *SMALL, *FINALS, *size, "--sampler", "random"]
    process = start(*base, "--name", "workers", "--out", str(tmp_path))
    killed = 0
    for i in range(8):
        wait_for_epochs(run, 3 + 13 * i, process)
        time.sleep(rng.random())
        victims = workers(process.pid)
        if victims:
            rng.choice(victims).kill()
            killed += 1
    output = end(process)
    assert killed >= 6
    assert output.count("note: a worker died") >= killed // 2  # an idle one is not missed
    check_nothing_is_lost(run, trials=20, epochs=6)
    end(start(*base, "--name", "whole", "--out", str(tmp_path)))
    curves = [
        {t.user_attrs["id"]: t.user_attrs["outcome"]["curve"] for t in told(path) if t.values}
        for path in (run, tmp_path / "whole")
    ]
    assert len(curves[0]) == 20
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
