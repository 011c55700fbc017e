"""What goes wrong in a search, done to a real one: a full disk, faults in trials, two drivers."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from driving import (
    FINALS,
    SMALL,
    check_nothing_is_lost,
    completed,
    end,
    kill,
    start,
    told,
    wait_for_epochs,
    wait_until,
    workers,
)
from optuna.trial import TrialState

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def filled(disk: Path) -> Iterator[None]:
    """No byte is left, also where the search removes a file."""
    done = threading.Event()

    def fill() -> None:
        with (disk / "filler").open("ab", buffering=0) as file:
            while not done.is_set():
                for size in (65536, 4096, 1):
                    with contextlib.suppress(OSError):
                        while True:
                            file.write(b"x" * size)
                time.sleep(0.005)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        (disk / "filler").unlink()


def one_full_disk_line(output: str) -> None:
    errors = [line for line in output.splitlines() if "error" in line.lower()]
    assert len(errors) == 1, output
    assert re.fullmatch(
        r"error: the disk of '.*/full' is full; what was told to the study is safe: mend that and "
        r"go on with --resume \S+/full",
        errors[0],
    )


@pytest.mark.parametrize("phase", ["trials", "finals"])
def test_a_disk_that_fills_ends_the_search_in_one_line_and_it_goes_on_later(
    phase: str, disk: Path
) -> None:
    run = disk / "full"
    size = ["--trials", "8", "--epochs", "3", "--top", "1", "--final-seeds", "3"]
    process = start(
        *("--space", "digits_se", *SMALL, *size, "--name", "full", "--out", str(disk)),
        "--final-epochs=10",
    )
    if phase == "trials":
        wait_for_epochs(run, 8, process)
    else:
        wait_until(lambda: list((run / "finals").glob("*.json")), process)
    with filled(disk):
        one_full_disk_line(end(process, code=2))
        assert not [t for t in told(run) if t.state is TrialState.FAIL]
        before = completed(run)
        assert len(before) >= (1 if phase == "trials" else 8)
        kept = len(list((run / "finals").glob("*.json")))
        # It is still full: one line, and nothing is spoilt by the attempt.
        one_full_disk_line(end(start("--resume", str(run)), code=2))
        new = end(start("--space", "digits_se", *SMALL, "--name", "new", "--out", str(disk)), 2)
        assert new.strip().endswith("cannot be written: No space left on device")
        assert not (disk / "new").exists()
    output = end(start("--resume", str(run)))
    check_nothing_is_lost(run, trials=8, epochs=3)
    assert before.items() <= completed(run).items()
    if phase == "finals":
        assert f"retraining the best: {3 - kept}/{3 - kept} runs" in output


FAULTY = '''
import os, sys
from functools import partial
from se_nas.search.cluster.ray_environment import configure_ray

configure_ray(None)

import torch
from se_nas.cli import main
from se_nas.search import run
from se_nas.search.worker.trial import SETrial
from se_nas.search.tuning.tune import tune_trials


class Faulty(SETrial):
    """Fails in its second epoch, in the way of its number."""

    def _step(self):
        if self.number == 8:
            os._exit(1)  # every time, in its first epoch
        if len(self.epochs) != 1:
            return super()._step()
        if self.number == 1:
            raise MemoryError("cannot allocate the second epoch")
        if self.number == 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\\n.")
        if self.number == 3:
            torch.empty(2**60)  # the host's allocator refuses it
        if self.number == 4:
            with torch.no_grad():
                next(self.training.model.parameters()).fill_(float("nan"))
        if self.number == 5:
            {}["a bug"]
        if self.number == 6:
            raise RuntimeError("CUDA error: an illegal memory access was encountered\\nmore")
        if self.number == 7 and not os.path.exists(sys_argv_out + "/died"):
            open(sys_argv_out + "/died", "w").close()
            os._exit(1)
        return super()._step()


sys_argv_out = sys.argv[sys.argv.index("--out") + 1]
run.tune_trials = partial(tune_trials, trainable=Faulty)
main(["search", *sys.argv[1:]])
'''


def test_faults_in_trials_are_told_as_what_they_are_with_one_line_each(tmp_path: Path) -> None:
    run = tmp_path / "faulty"
    (tmp_path / "faulty.py").write_text(FAULTY)
    size = ["--trials", "12", "--epochs", "3", "--first-rung", "1", "--sampler", "random"]
    base = ["--space", "digits_se", *SMALL, *FINALS, *size, "--name", "faulty"]
    known = [f"se_resnet8_small{end}" for end in ("_r2", "_r4", "_r8", "_r2_pre", "_r4_pre")]
    known += [f"se_resnet8_small-width8{end}" for end in ("_r2", "_r4", "_r8")]
    for name in ["resnet8_small", *known]:  # trials 0 to 8
        base += ["--enqueue", name]
    script = str(tmp_path / "faulty.py")
    output = end(start(*base, "--out", str(tmp_path), script=script))
    trials = {t.number: t for t in told(run) if "architecture" in t.user_attrs}
    numbers = sorted(trials)
    assert numbers[:9] == list(range(9))
    assert len(numbers) == 12
    expected = {
        **dict.fromkeys(numbers, (TrialState.COMPLETE, "complete", "")),
        1: (TrialState.PRUNED, "out_of_memory", "cannot allocate the second epoch"),
        2: (TrialState.PRUNED, "out_of_memory", "CUDA out of memory. Tried to allocate 2.00 GiB."),
        3: (TrialState.PRUNED, "out_of_memory", "allocate"),
        4: (TrialState.PRUNED, "not_finite", "loss is not finite in epoch 2"),
        5: (TrialState.FAIL, "error", "KeyError: 'a bug'"),
        6: (TrialState.FAIL, "error", "RuntimeError: CUDA error: an illegal memory access"),
        8: (TrialState.FAIL, "lost", "its workers died"),
    }
    for number, (state, ending, reason) in expected.items():
        trial = trials[number]
        outcome = trial.user_attrs["outcome"]
        assert (trial.state, outcome["end"]) == (state, ending), number
        assert reason in outcome["reason"], number
        assert ("memory" in trial.constraints) == (ending == "out_of_memory"), number
        epochs = {"complete": 3, "lost": 0}.get(ending, 1)
        assert list(trial.intermediate_values) == list(range(1, epochs + 1)), number
    assert all(trials[number].constraints["memory"] > 0 for number in (1, 2, 3))
    lines = [line for line in output.splitlines() if line.startswith("note: ")]
    assert sum("trial 5 failed: KeyError: 'a bug'" in line for line in lines) == 1
    assert sum("trial 6 failed: RuntimeError: CUDA error" in line for line in lines) == 1
    assert sum("trial 8 is lost" in line for line in lines) == 1
    names = {number: trials[number].user_attrs["name"] for number in numbers}
    died = [line for line in lines if "a worker died" in line]
    assert sum(f" {names[7]} goes on" in line for line in died) == 1
    # Its workers, and that of trial 6, which is of no use after its CUDA error.
    others = [line for line in died if f" {names[7]} " not in line and f" {names[8]} " not in line]
    assert 3 <= sum(f" {names[8]} goes on" in line for line in died) <= 4
    assert len(others) <= 1
    assert 4 <= len(died) == output.count("a worker died") <= 5
    assert "3 trials failed; tracebacks are in" in output
    summary = next(line for line in output.splitlines()[::-1] if line.startswith("search: "))
    assert "search: 12/12 trials · 0 running · 1 diverged · 3 out of memory · 2 failed" in summary
    assert " · 1 lost" in summary
    errors = {file.name: file.read_text() for file in (run / "errors").iterdir()}
    assert sorted(errors) == [f"trial-{number:05d}.txt" for number in (5, 6, 8)]
    assert "Traceback" in errors["trial-00005.txt"]
    assert names[5] in errors["trial-00005.txt"]
    ranked = json.loads((run / "results.json").read_text())["ranking"]
    assert len(ranked) == sum(t.state is TrialState.COMPLETE for t in trials.values()) == 5
    assert not list((run / "checkpoints").iterdir())


def test_of_drivers_that_start_at_one_instant_one_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "one"
    size = ["--trials", "5", "--epochs", "3"]
    first = start(
        *("--space", "digits_se", *SMALL, *FINALS, *size), "--name=one", f"--out={tmp_path}"
    )
    wait_for_epochs(run, 2, first)
    kill(first)
    drivers = [start("--resume", str(run)) for _ in range(4)]
    outputs = {driver.pid: driver.communicate(timeout=280)[0] for driver in drivers}
    assert sorted(driver.returncode for driver in drivers) == [0, 2, 2, 2], outputs
    winner = next(driver.pid for driver in drivers if driver.returncode == 0)
    for driver in drivers:
        if driver.pid != winner:
            [line] = outputs[driver.pid].strip().splitlines()
            assert line.startswith("error: the run ")
            assert f"is in use by process {winner} on " in line
    check_nothing_is_lost(run, trials=5, epochs=3)

    new = ["--space", "digits_se", *SMALL, *FINALS, "--trials", "2", "--epochs", "1", "--name=new"]
    drivers = [start(*new, f"--out={tmp_path}") for _ in range(3)]
    outputs = {driver.pid: driver.communicate(timeout=280)[0] for driver in drivers}
    assert sorted(driver.returncode for driver in drivers) == [0, 2, 2], outputs
    for driver in drivers:
        if driver.returncode:
            [line] = outputs[driver.pid].strip().splitlines()
            assert "exists already" in line
    check_nothing_is_lost(tmp_path / "new", trials=2, epochs=1)


CLOCK = """
import os, time
folder = os.path.dirname(__file__)

def jumping(clock, unit):
    def now():
        with open(folder + "/offset") as file:
            offset = int(file.read() or 0)
        if offset:
            open(f"{folder}/jumped-{os.getpid()}", "w").close()
        return clock() + offset * unit
    return now

time.time, time.time_ns = jumping(time.time, 1), jumping(time.time_ns, 10**9)
"""


def test_a_wall_clock_that_jumps_an_hour_forth_and_back_changes_nothing(tmp_path: Path) -> None:
    """Python's clock in the driver, its workers and Ray's agents; not in Ray's C++."""
    run, clock = tmp_path / "clock", tmp_path / "site"
    clock.mkdir()
    (clock / "sitecustomize.py").write_text(CLOCK)
    offset = clock / "offset"
    offset.write_text("0")
    path = os.pathsep.join(filter(None, [str(clock), os.environ.get("PYTHONPATH")]))
    size = ["--trials", "8", "--epochs", "6", "--name", "clock", "--out", str(tmp_path)]
    process = start("--space", "digits_se", *SMALL, *FINALS, *size, PYTHONPATH=path)
    driver, workers_seen = process.pid, set()
    for epochs, seconds in ((3, 3600), (10, -3600), (17, 0), (22, 7200)):
        wait_for_epochs(run, epochs, process)
        workers_seen |= {worker.pid for worker in workers(driver)}
        part = clock / "part"
        part.write_text(str(seconds))
        part.replace(offset)
    output = end(process)
    jumped = {int(file.name.partition("-")[2]) for file in clock.glob("jumped-*")}
    assert driver in jumped
    assert workers_seen & jumped
    assert "died" not in output
    assert " failed" not in output
    check_nothing_is_lost(run, trials=8, epochs=6)
    trials = [t for t in told(run) if "outcome" in t.user_attrs and "architecture" in t.user_attrs]
    assert all(0 < t.user_attrs["outcome"]["seconds"] < 300 for t in trials)
