"""Nodes that come and go under a search, in a cluster of three nodes on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest
from driving import check_nothing_is_lost
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

ROOT = Path(__file__).resolve().parents[2]
EPOCHS = 150  # Ray calls a killed node dead after about a minute: the search must last longer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass
class Nodes:
    """Three nodes, as a process."""

    process: subprocess.Popen[str]
    environment: dict[str, str]
    address: str = ""

    def say(self, command: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef0123456789abcdef")
    short = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # a socket's path has 107 characters
    environment = os.environ | {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_TMPDIR": short,
        "RAY_USAGE_STATS_ENABLED": "0",
        "COLUMNS": "200",
    }
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "runners" / "three_nodes.py")],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    found = Nodes(process, environment)
    found.address = found.answer()
    try:
        yield found
    finally:
        process.communicate(timeout=120)  # ends its stdin
        shutil.rmtree(short, ignore_errors=True)


def trained(run: Path) -> list[FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(run / "study.journal")))
    trials = optuna.load_study(study_name=run.name, storage=storage).trials
    return [trial for trial in trials if "architecture" in trial.user_attrs]


def wait_for(run: Path, begun: int, search: subprocess.Popen[str], output: Path) -> None:
    """Until so many trials have an epoch behind them and have not ended."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and search.poll() is None:
        if (run / "study.journal").exists():
            running = [t for t in trained(run) if t.state is TrialState.RUNNING]
            if sum(bool(t.intermediate_values) for t in running) >= begun:
                return
        time.sleep(0.5)
    raise AssertionError(output.read_text())


SPACE = """
from se_nas import SE, Space, choice, optional, per_stage, trunk
SPACE = Space(
    "mine",
    trunk=trunk("resnet8_small", width=choice(4, 8)),
    se=per_stage(optional(SE(reduction=choice(2, 4, 8)))),
)
"""

WHERE = """
import sys
from se_nas.search.cluster.ray_environment import configure_ray
configure_ray(sys.argv[1])
import ray
from se_nas.search.cluster.connection import connected
from se_nas.search.config import SearchConfig

@ray.remote
def where():
    import se_nas
    return se_nas.__file__

with connected(SearchConfig(address=sys.argv[1], gpus=0)):
    print(ray.get(where.remote()))
"""


def test_the_drivers_package_travels_to_the_workers(nodes: Nodes, tmp_path: Path) -> None:
    # A copy, so that it cannot be what is installed.
    shutil.copytree(ROOT / "se_nas", tmp_path / "copy" / "se_nas")
    done = subprocess.run(
        [sys.executable, "-c", WHERE, nodes.address],
        env=nodes.environment | {"PYTHONPATH": str(tmp_path / "copy")},
        cwd=tmp_path,  # Ray adds it to the path of workers on the same machine
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"py_modules_files/_ray_pkg_\w+/se_nas/__init__.py$", done.stdout.strip())


def test_a_killed_node_loses_no_trial_and_a_new_one_is_used(nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SPACE)
    command = [sys.executable, str(ROOT / "runners" / "search.py")]
    command += ["--space", str(tmp_path / "mine.py")]
    command += ["--address", nodes.address, "--gpus", "0", "--out", str(tmp_path)]
    command += ["--name", "nodes", "--trials", "9", "--epochs", str(EPOCHS), "--first-rung", "1"]
    command += ["--top", "1", "--final-seeds", "1", "--final-epochs", "1"]
    output, run = tmp_path / "output", tmp_path / "nodes"
    with output.open("w") as file:
        search = subprocess.Popen(
            command, env=nodes.environment, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        wait_for(run, 3, search, output)
        assert nodes.say("kill") == "done"
        deadline = time.monotonic() + 120
        while "room for 2 trials at once, before 3" not in output.read_text():
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(1)
        assert nodes.say("add") == "done"
        search.wait(timeout=600)
    finally:
        search.kill()
    text = output.read_text()
    assert search.returncode == 0, text
    assert "a worker died" in text
    assert "room for 3 trials at once, before 2" in text
    told = trained(run)
    assert [trial.state for trial in told] == [TrialState.COMPLETE] * 9
    assert len({trial.user_attrs["id"] for trial in told}) == 9
    assert all(list(trial.intermediate_values) == list(range(1, EPOCHS + 1)) for trial in told)
    assert re.search(r"search: 9/9 trials", text)
    check_nothing_is_lost(run, trials=9, epochs=EPOCHS)
