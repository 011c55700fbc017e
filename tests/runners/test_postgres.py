"""Searches on a real PostgreSQL, started here if its programs are: drivers and the server die."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

ROOT = Path(__file__).resolve().parents[2]
RUNNER = str(ROOT / "runners" / "search.py")
FOLDERS = [*os.environ["PATH"].split(":"), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
POSTGRES, INITDB = (shutil.which(name, path=":".join(FOLDERS)) for name in ("postgres", "initdb"))
SMALL = ["--gpus", "0", "--no-dashboard", "--limit-train", "300", "--first-rung", "1"]
FINALS = ["--top", "1", "--final-seeds", "1", "--final-epochs", "1"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not (POSTGRES and INITDB), reason="PostgreSQL's programs are not there"),
]


class Server:
    """PostgreSQL on a Unix socket in a folder of its own; root cannot run it, nobody can."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user: dict[str, Any] = {"user": "nobody"} if os.geteuid() == 0 else {}
        if self.user:
            shutil.chown(folder, "nobody")
        command = [str(INITDB), "-D", str(folder / "data"), "-U", "se", "-A", "trust", "-N"]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, **self.user)
        self.url = f"postgresql+psycopg://se@/postgres?host={folder}"
        self.storage: RDBStorage | None = None
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [str(POSTGRES), "-D", "data", "-k", str(self.folder), "-c", "listen_addresses="],
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            **self.user,
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket(socket.AF_UNIX) as ready:
                if ready.connect_ex(str(self.folder / ".s.PGSQL.5432")) == 0:
                    return
            time.sleep(0.1)
        raise TimeoutError("PostgreSQL did not start")

    def stop(self) -> None:
        """Without waiting for its clients; the tests' own connection goes first."""
        if self.storage is not None:
            self.storage.engine.dispose()
            self.storage = None
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def trained(self, name: str) -> list[FrozenTrial]:
        """Trials of a study that train or trained; none if it is not there yet."""
        if self.storage is None:
            self.storage = RDBStorage(self.url)
        try:
            found = optuna.load_study(study_name=name, storage=self.storage).trials
        except KeyError:
            return []
        return [trial for trial in found if "id" in trial.user_attrs]


@pytest.fixture
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:  # a short path: a socket
        running = Server(Path(folder))
        try:
            yield running
        finally:
            running.stop()


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, RUNNER, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )


def end(process: subprocess.Popen[str], code: int = 0) -> str:
    output, _ = process.communicate(timeout=400)
    assert process.returncode == code, output
    assert "Traceback" not in output, output
    return output


def wait_for(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not there():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.2)


def check_each_once(trials: list[FrozenTrial], count: int, epochs: int) -> None:
    assert len(trials) == len({t.user_attrs["id"] for t in trials}) == count
    for trial in trials:
        assert trial.state is TrialState.COMPLETE
        assert sorted(trial.intermediate_values) == list(range(1, epochs + 1))
        assert len(trial.user_attrs["outcome"]["curve"]) == epochs


def test_two_drivers_share_a_study_and_one_is_killed_and_taken_up(
    server: Server, tmp_path: Path
) -> None:
    here = ["--storage", server.url, "--name", "big", "--out", str(tmp_path), "--concurrency", "1"]
    size = ["--trials", "24", "--epochs", "12"]
    first = start("--space", "digits_se", *SMALL, *FINALS, *size, *here)
    wait_for(lambda: bool(server.trained("big")), first)
    second = start("--join", "--gpus", "0", "--no-dashboard", *here)
    wait_for(lambda: len(by_driver(server.trained("big"))) == 2, second)
    second.kill()
    second.communicate(timeout=60)
    (joined,) = (run for run in tmp_path.iterdir() if run.name.startswith("big-"))
    running = [
        trial.number
        for trial in server.trained("big")
        if trial.state is TrialState.RUNNING and trial.user_attrs["driver"] == joined.name
    ]
    assert "resumed" in end(again := start("--resume", str(joined))), again
    output = end(first)
    trials = server.trained("big")
    check_each_once(trials, 24, 12)
    assert min(by_driver(trials).values()) >= 1
    assert set(running) <= {t.number for t in trials if t.user_attrs["driver"] == joined.name}
    results = json.loads((tmp_path / "big" / "results.json").read_text())
    assert len(results["ranking"]) == 24
    assert "the winner, trained" in output
    assert json.loads((joined / "results.json").read_text())["joined"] == "big"


def by_driver(trials: list[FrozenTrial]) -> Counter[str]:
    return Counter(trial.user_attrs["driver"] for trial in trials)


def test_a_driver_and_then_the_server_die_and_nothing_that_was_told_is_lost(
    server: Server, tmp_path: Path
) -> None:
    run, size = tmp_path / "one", ["--trials", "12", "--epochs", "8"]
    here = ["--storage", server.url, "--name", "one", "--out", str(tmp_path)]

    def ended() -> dict[int, Any]:
        trials = server.trained("one")
        return {t.number: t.user_attrs["outcome"] for t in trials if t.state.is_finished()}

    process = start("--space", "digits_se", *SMALL, *FINALS, *size, *here)
    wait_for(lambda: len(ended()) >= 2, process)
    process.kill()
    process.communicate(timeout=60)
    before = ended()
    process = start("--resume", str(run), "--storage", server.url)
    wait_for(lambda: len(ended()) >= len(before) + 2, process)
    assert before.items() <= ended().items()
    before = ended()
    server.stop()
    lines = [line for line in end(process, code=2).splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "the study's database does not answer" in lines[0]
    assert "--resume" in lines[0]
    server.start()
    output = end(start("--resume", str(run)))
    assert "resumed " in output
    assert before.items() <= ended().items()
    check_each_once(server.trained("one"), 12, 8)
