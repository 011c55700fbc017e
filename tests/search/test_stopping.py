"""Ctrl-C once and twice; and in the step in which ASHA stops a trial, with Ray Tune as it is."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from se_nas.search.stopping import StopWhen, ctrl_c

# Trial 0 passes ASHA's rung at epoch 2 and is in a long epoch when trial 1 is stopped there, and
# Ctrl-C comes before Tune acts on that.
SCRIPT = """
import json, os, signal, sys, time
from se_nas.search.environment import prepare
prepare(None)
import ray
from ray import tune
from rich.console import Console
from se_nas import SE, Space, choice, optional, per_stage
from se_nas.cost import cost
from se_nas.search import directory, study
from se_nas.search.cluster import connected
from se_nas.search.proposals import Proposals
from se_nas.search.rungs import Rungs
from se_nas.search.settings import RunConfig
from se_nas.search.tuning import tune_trials
from se_nas.search.workers import ready_first

class Trial(tune.Trainable):
    def setup(self, config, settings=None):
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

judge = Rungs.on_trial_result

def judge_and_interrupt(self, controller, trial, result):
    decision = judge(self, controller, trial, result)
    if decision == "STOP":
        os.kill(os.getpid(), signal.SIGINT)
    return decision

Rungs.on_trial_result = judge_and_interrupt
space = Space("s", trunk="resnet8_small", se=per_stage(optional(SE(reduction=choice(2, 4)))))
config = RunConfig(trials=4, epochs=4, first_rung=0.5, gpus=0, concurrency=2, dashboard=False,
                   out=sys.argv[1], name="run")
run = directory.create(space, config)
opened = study.create(space, config, run)
with connected(config) as slots:
    try:
        proposals = Proposals(opened, space, cost, trials=4)
        tune_trials(proposals, space, config, slots, run, Console(quiet=True), Trial)
        print("went on")
    except KeyboardInterrupt:
        print(json.dumps([[t.state.name, t.user_attrs.get("end"), t.intermediate_values]
                          for t in opened.trials]))
"""


def test_the_first_ctrl_c_stops_in_good_order_and_the_second_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    calls: list[str] = []

    def search() -> None:
        with ctrl_c(lambda: calls.append("stop"), "runs/x"):
            signal.raise_signal(signal.SIGINT)
            calls.append("its trials end")
            signal.raise_signal(signal.SIGINT)
            calls.append("not reached")

    with pytest.raises(KeyboardInterrupt):
        search()
    assert calls == ["stop", "its trials end"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_search_outside_of_the_main_thread_leaves_ctrl_c_alone() -> None:
    handlers: list[object] = []

    def search() -> None:
        with ctrl_c(lambda: None, "runs/x"):
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=search)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]


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
