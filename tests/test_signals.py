"""Signals once and twice; and, with Ray Tune, Ctrl-C in the step in which ASHA stops a trial."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from se_nas.search.tuning.tune import StopWhen
from se_nas.signals import Interrupted, as_python_ends, raise_on_signal, stop_on_signal

# Trial 0 passes ASHA's rung at epoch 2 and is in a long epoch when trial 1 is stopped there, and
# Ctrl-C comes before Tune acts on that.
SCRIPT = """
import json, os, signal, sys, time
from se_nas.search.cluster.ray_environment import configure_ray
configure_ray(None)
import ray
from ray import tune
from rich.console import Console
from se_nas import SE, Space, choice, optional, per_stage
from se_nas.cost.network_cost import cost
from se_nas.search.run_dir import directory, new_run
from se_nas.search.study import study
from se_nas.search.cluster.connection import connected
from se_nas.search.study.proposals import Proposals
from se_nas.search.tuning.asha import ResumableASHA
from se_nas.search.config import SearchConfig
from se_nas.search.plan import Plan, SearchRun
from se_nas.search.tuning.tune import tune_trials
from se_nas.search.worker.reports import ready_first

class Trial(tune.Trainable):
    def setup(self, config, settings=None, images=None):
        self.reset_config(config)

    def reset_config(self, config):
        self.number, self.epoch = config["number"], 0
        return True

    @ready_first
    def step(self):
        self.epoch += 1
        time.sleep((5 if self.epoch > 2 else 0.1) if self.number == 0 else 0.6)
        metrics = {"val_acc": 0.9 - 0.8 * self.number, "val_loss": 1.0}
        return metrics | {"epoch": self.epoch, "end": "", "done": self.epoch == 4}

judge = ResumableASHA.on_trial_result

def judge_and_interrupt(self, controller, trial, result):
    decision = judge(self, controller, trial, result)
    if decision == "STOP":
        os.kill(os.getpid(), signal.SIGINT)
    return decision

ResumableASHA.on_trial_result = judge_and_interrupt
space = Space("s", trunk="resnet8_small", se=per_stage(optional(SE(reduction=choice(2, 4)))))
config = SearchConfig(trials=4, epochs=4, first_rung=0.5, gpus=0, concurrency=2, dashboard=False,
                   out=sys.argv[1], name="run")
run = new_run.create(space, config)
opened = study.create_study(space, config, run)
with connected(config) as slots:
    try:
        proposals = Proposals(opened, space, cost, trials=4)
        search_run = SearchRun(Plan.of(space, config), run, slots, Console(quiet=True))
        tune_trials(search_run, proposals, Trial)
        print("went on")
    except KeyboardInterrupt:
        print(json.dumps([[t.state.name, t.user_attrs.get("end"), t.intermediate_values]
                          for t in opened.trials]))
"""


NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in NUMBERS]


@pytest.mark.parametrize("first", NUMBERS)
@pytest.mark.parametrize("second", NUMBERS)
def test_the_first_signal_stops_in_good_order_and_the_second_at_once(
    first: int, second: int
) -> None:
    before = handlers()
    calls: list[object] = []

    def search() -> None:
        with stop_on_signal(lambda: calls.append("stop"), "runs/r") as came:
            signal.raise_signal(first)
            calls.append(list(came))
            signal.raise_signal(second)
            calls.append("not reached")

    with pytest.raises(Interrupted) as caught:
        search()
    assert calls == ["stop", [first]]
    assert caught.value.exit_code == 128 + second
    assert handlers() == before


@pytest.mark.parametrize("number", NUMBERS)
def test_before_and_after_the_trials_one_signal_is_enough(number: int) -> None:
    before = handlers()
    with pytest.raises(Interrupted) as caught, raise_on_signal():
        signal.raise_signal(number)
    assert caught.value.exit_code == 128 + number
    assert handlers() == before


def wait_as_ray_does(number: int) -> None:
    """Its C++ code takes the handler's KeyboardInterrupt, and raises a new one later."""
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(number)
    raise KeyboardInterrupt


@pytest.mark.parametrize("number", NUMBERS)
def test_the_number_of_a_signal_is_kept_where_ray_raises_its_own_interrupt(number: int) -> None:
    with pytest.raises(Interrupted) as caught, raise_on_signal():
        wait_as_ray_does(number)
    assert caught.value.exit_code == 128 + number


@pytest.mark.parametrize("number", NUMBERS)
def test_so_is_that_of_a_second_signal(number: int) -> None:
    came: list[int] = []

    def search() -> None:
        nonlocal came
        with stop_on_signal(lambda: None, "runs/r") as came:
            signal.raise_signal(signal.SIGINT)
            wait_as_ray_does(number)

    with pytest.raises(Interrupted) as caught:
        search()
    assert caught.value.exit_code == 128 + number
    assert came == [signal.SIGINT], "which the search ends with, if Tune ends by itself"


def test_a_python_caller_gets_the_ends_of_python() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, as_python_ends():
        raise Interrupted(signal.SIGINT)
    assert type(caught.value) is KeyboardInterrupt
    with pytest.raises(SystemExit) as ended, as_python_ends():
        raise Interrupted(signal.SIGTERM)
    assert ended.value.code == 143


def test_sigterm_while_ray_starts_is_a_signal_like_any_other() -> None:
    with pytest.raises(Interrupted) as caught, raise_on_signal():
        sys.exit(signal.SIGTERM)  # Ray's handler
    assert caught.value.exit_code == 143
    with pytest.raises(SystemExit), raise_on_signal():
        sys.exit(2)


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        with (
            raise_on_signal(),
            stop_on_signal(lambda: pytest.fail("it is not heard"), "runs/r") as came,
        ):
            signal.raise_signal(signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert came == []
        with raise_on_signal():
            signal.signal(signal.SIGHUP, lambda *_: None)  # as Ray sets one
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


TRIALS = """
import signal, time
from se_nas.signals import stop_on_signal
with stop_on_signal(lambda: None, "runs/r", patience=0.5):
    signal.raise_signal({number})
    time.sleep({seconds})
"""
FINALS = """
import signal, time
from se_nas.signals import raise_on_signal
with raise_on_signal(patience=0.5):
    try:
        signal.raise_signal({number})
    finally:
        time.sleep({seconds})
"""


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (TRIALS, "stopped: Ray Tune did not end in time; go on with --resume runs/r"),
        (FINALS, "stopped: it did not end in time; a run that was begun goes on with --resume"),
    ],
)
def test_a_search_that_cannot_end_after_sigterm_is_ended(code: str, line: str) -> None:
    code = code.format(number=int(signal.SIGTERM), seconds=100)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (143, f"{line}\n")


def test_a_search_may_take_its_time_after_ctrl_c() -> None:
    code = TRIALS.format(number=int(signal.SIGINT), seconds=2)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_it_is_ended_too_where_nobody_reads_what_it_says() -> None:
    code = TRIALS.format(number=int(signal.SIGTERM), seconds=100)
    read, write = os.pipe()
    with subprocess.Popen([sys.executable, "-c", code], stderr=write) as process:
        os.close(read)  # as when `tee` got the signal too
        os.close(write)
        try:
            assert process.wait(timeout=60) == 143
        finally:
            process.kill()


CLOSED = """
import sys, time
from se_nas.signals import stop_on_signal
with stop_on_signal(lambda: None, "runs/x") as came:
    print("up", flush=True)
    while not came:
        time.sleep(0.01)
    time.sleep(0.1)
    print("nobody reads this", flush=True)
with open(sys.argv[1], "w") as file:
    file.write("in good order")
"""


def test_a_terminal_that_is_closed_is_not_written_to(tmp_path: Path) -> None:
    done = tmp_path / "done"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", CLOSED, str(done)])
    assert b"up" in os.read(terminal, 100)
    os.close(terminal)
    deadline = time.monotonic() + 30
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert done.read_text() == "in good order"


def test_a_search_outside_of_the_main_thread_leaves_signals_alone() -> None:
    inside: list[object] = []

    def search() -> None:
        with stop_on_signal(lambda: None, "runs/r"), raise_on_signal():
            inside.extend(handlers())

    thread = threading.Thread(target=search)
    thread.start()
    thread.join()
    assert inside == handlers()


def test_tunes_loop_ends_when_the_searcher_was_told_to_stop() -> None:
    searcher: Any = SimpleNamespace(stopped=False)
    stop = StopWhen(searcher)
    assert not stop.stop_all()
    assert not stop("id", {})
    searcher.stopped = True
    assert stop.stop_all()
    assert not stop("id", {}), "each trial would be told as if it had ended"


@pytest.mark.slow
def test_what_asha_stopped_is_told_and_what_was_running_goes_on_later(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [
        ["RUNNING", None, {"1": 0.9, "2": 0.9}],
        ["PRUNED", "stopped_early", {"1": pytest.approx(0.1), "2": pytest.approx(0.1)}],
    ]
