"""One driver for a run."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from se_nas import InputError
from se_nas.search.run_dir import lock
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.run_dir.lock import run_lock

HOLDER = """
import sys, time
from pathlib import Path
from se_nas.search.run_dir import lock
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.run_dir.lock import run_lock
with run_lock(RunDirectory(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(100)
"""


def test_a_second_driver_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with run_lock(run), pytest.raises(InputError) as caught, run_lock(run):
        pass
    message = str(caught.value)
    assert f"in use by process {os.getpid()} on" in message
    assert "\n" not in message
    with run_lock(run):
        pass


def test_the_lock_of_a_driver_that_is_killed_is_free(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"process {process.pid} "), run_lock(run):
            pass
    finally:
        process.kill()
        process.communicate()
    with run_lock(run):
        pass


AT_ONCE = """
import sys, time
from pathlib import Path
from se_nas import InputError
from se_nas.search.run_dir import lock
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.run_dir.lock import run_lock
run = RunDirectory(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
try:
    with run_lock(run):
        print("held", flush=True)
        sys.stdin.readline()
except InputError as error:
    print(error, flush=True)
"""


def test_of_drivers_of_one_instant_one_holds_it_and_the_others_say_who(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    who = {"host": socket.gethostname(), "pid": dead.pid, "since": "long ago"}
    run.lock.write_text(json.dumps(who))  # a driver that was killed
    drivers = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]

    def line(driver: subprocess.Popen[str]) -> str:
        assert driver.stdout is not None
        return driver.stdout.readline()

    def say_go(driver: subprocess.Popen[str]) -> None:
        assert driver.stdin is not None
        driver.stdin.write("go\n")
        driver.stdin.flush()

    try:
        assert {line(driver) for driver in drivers} == {"ready\n"}
        for driver in drivers:
            say_go(driver)
        said = {driver.pid: line(driver) for driver in drivers}
    finally:
        for driver in drivers:
            driver.kill()
            driver.communicate()
    [holder] = [pid for pid, text in said.items() if text == "held\n"]
    for pid, text in said.items():
        assert pid == holder or f"in use by process {holder} on " in text


def test_a_full_disk_takes_the_holders_name_but_not_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    run = RunDirectory(tmp_path)
    monkeypatch.setattr(os, "write", full)
    monkeypatch.setattr(lock, "LOOKS", 1)
    with run_lock(run), pytest.raises(InputError, match="is in use; a run has one"), run_lock(run):
        pass


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="cannot be locked"),
        run_lock(RunDirectory(tmp_path / "no")),
    ):
        pass
