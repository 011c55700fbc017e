"""One driver for a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from se_nas import InputError
from se_nas.search.directory import RunDirectory
from se_nas.search.lock import held

HOLDER = """
import sys, time
from pathlib import Path
from se_nas.search.directory import RunDirectory
from se_nas.search.lock import held
with held(RunDirectory(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(100)
"""


def test_a_second_driver_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with held(run), pytest.raises(InputError) as caught, held(run):
        pass
    message = str(caught.value)
    assert f"in use by process {os.getpid()} on" in message
    assert "\n" not in message
    with held(run):
        pass


def test_the_lock_of_a_driver_that_is_killed_is_free(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"process {process.pid} "), held(run):
            pass
    finally:
        process.kill()
        process.communicate()
    with held(run):
        pass


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be locked"), held(RunDirectory(tmp_path / "no")):
        pass
