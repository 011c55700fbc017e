"""Signals that end a search: once in good order, twice at once."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from se_nas.search.stopping import Interrupted, at_once, ctrl_c

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_stops_and_the_second_interrupts(number: signal.Signals) -> None:
    calls: list[str] = []
    before = signal.getsignal(number)

    def twice() -> None:
        with ctrl_c(lambda: calls.append("stop"), "runs/x") as came:
            os.kill(os.getpid(), number)
            assert (calls, came) == (["stop"], [number])
            os.kill(os.getpid(), number)

    with pytest.raises(Interrupted) as caught:
        twice()
    assert caught.value.exit_code == 128 + number
    assert calls == ["stop"]
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", NUMBERS)
def test_where_nothing_is_to_be_put_in_order_the_first_interrupts(number: signal.Signals) -> None:
    with pytest.raises(Interrupted) as caught, at_once():
        os.kill(os.getpid(), number)
    assert caught.value.exit_code == 128 + number


def test_the_number_of_a_signal_is_kept_where_ray_raises_its_own_interrupt() -> None:
    def interrupted() -> None:
        with at_once():
            with contextlib.suppress(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGTERM)
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        interrupted()
    assert caught.value.exit_code == 143


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    try:
        with at_once(), ctrl_c(lambda: None, "runs/x") as came:
            os.kill(os.getpid(), signal.SIGHUP)
        assert came == []
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


HANGS = """
import time
from pathlib import Path
from se_nas.search.stopping import ctrl_c
with ctrl_c(lambda: None, "runs/x", patience=0.2):
    print("up", flush=True)
    time.sleep(100)
    time.sleep(100)
"""


def test_a_cluster_that_is_gone_is_not_waited_for_after_sigterm() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HANGS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert errors == "stopped: Ray Tune did not end in time; go on with --resume runs/x\n"


CLOSED = """
import sys, time
from se_nas.search.stopping import ctrl_c
with ctrl_c(lambda: None, "runs/x") as came:
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
