"""What a running search shows: its metrics, its workers' titles and logs, TensorBoard, Optuna's."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from se_nas.search.tuning.prometheus import GAUGES, STATES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = re.compile(r"^ray_(se_nas_\w+)\{(.*)\} (\S+)$", re.MULTILINE)


def processes(pid: int) -> Iterator[psutil.Process]:
    """A process and those that it started."""
    yield psutil.Process(pid)
    yield from psutil.Process(pid).children(recursive=True)


def ports(pid: int, word: str) -> set[int]:
    """Ports on which those that have a word in their command listen."""
    found: set[int] = set()
    for process in processes(pid):
        try:
            if word in " ".join(process.cmdline()).lower():
                connections = process.net_connections(kind="inet")
                found |= {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def titles(pid: int) -> set[str]:
    """First words of the commands, as the dashboard shows them."""
    found: set[str] = set()
    for process in processes(pid):
        try:
            found |= set(process.cmdline()[:1])
        except psutil.NoSuchProcess:
            continue
    return found


def scrape(port: int) -> list[tuple[str, dict[str, str], float]]:
    """Our samples on a metrics page, as (name, labels, value); none if it is no such page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    except (OSError, ValueError, http.client.HTTPException):
        return []
    return [
        (name, dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value))
        for name, labels, value in SAMPLE.findall(text)
    ]


@dataclass
class Seen:
    """What a search showed from outside while it ran."""

    run: Path
    output: str = ""
    samples: list[tuple[str, dict[str, str], float]] = field(default_factory=list)
    titles: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    out = tmp_path_factory.mktemp("runs")
    command = [sys.executable, str(ROOT / "runners" / "search.py"), "--space", "digits_se"]
    command += ["--gpus", "0", "--top", "1", "--final-seeds", "1", "--final-epochs", "1"]
    command += ["--trials", "8", "--epochs", "15", "--first-rung", "0.2", "--tensorboard"]
    command += ["--concurrency", "2"]
    command += ["--out", str(out), "--name", "watched"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    found = Seen(out / "watched")
    deadline = time.monotonic() + 240
    try:
        while process.poll() is None and time.monotonic() < deadline:
            found.titles |= {title for title in titles(process.pid) if "SETrial" in title}
            for port in ports(process.pid, "agent"):
                found.samples += scrape(port)
            time.sleep(1)
    finally:
        process.terminate()
        found.output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, found.output
    return found


def test_every_metric_reaches_prometheus(seen: Seen) -> None:
    assert {name for name, _, _ in seen.samples} == set(GAUGES)
    for name, labels, _ in seen.samples:
        assert set(GAUGES[name][0]) <= set(labels)
        assert labels["run"] == "watched"
    by_state: dict[str, float] = {}
    for name, labels, value in seen.samples:
        if name == "se_nas_trials":
            by_state[labels["state"]] = max(value, by_state.get(labels["state"], 0))
    assert set(by_state) == set(STATES)
    printed = re.search(r"epochs, (\d+) at once", seen.output)
    assert printed is not None, seen.output
    slots = int(printed.group(1))
    assert 1 <= slots <= 2  # one on a machine of one CPU
    assert 1 <= by_state["running"] <= slots
    assert by_state["complete"] >= 1
    values = {name: value for name, _, value in seen.samples}
    assert values["se_nas_slots"] == slots
    assert 0 < max(v for n, _, v in seen.samples if n == "se_nas_slots_busy_share") <= 1
    assert max(v for n, _, v in seen.samples if n == "se_nas_epochs_per_second") > 0
    assert 0 < values["se_nas_best_value"] <= 1


def test_running_trials_are_called_after_their_architectures(seen: Seen) -> None:
    names = {labels["architecture"] for n, labels, _ in seen.samples if n == "se_nas_trial_epoch"}
    assert names
    trained = {line.split("::SETrial:")[1] for line in seen.titles if "::SETrial:" in line}
    assert trained, seen.titles
    space = json.loads((seen.run / "space.json").read_text())
    assert space["name"] == "digits_se"
    assert all("resnet" in name for name in trained | names)
    assert trained & names


def test_tensorboard_has_a_run_for_every_trial(seen: Seen) -> None:
    folders = sorted((seen.run / "tensorboard").iterdir())
    assert len(folders) == 8
    assert all(re.fullmatch(r"\d{5}-.*resnet.*", folder.name) for folder in folders)
    for folder in folders:
        (events,) = folder.iterdir()
        content = events.read_bytes()
        assert b"val_acc" in content
        assert b"val_loss" in content


def test_optuna_dashboard_shows_the_study_as_it_is(seen: Seen) -> None:
    pytest.importorskip("optuna_dashboard")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("optuna-dashboard"))]
    command += ["--host", "127.0.0.1", "--port", str(port), str(seen.run / "study.journal")]
    dashboard = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        studies: list[dict[str, str]] = []
        while not studies and time.monotonic() < deadline:
            try:
                url = f"http://127.0.0.1:{port}/api/studies"
                with urllib.request.urlopen(url, timeout=5) as answer:
                    studies = json.load(answer)["study_summaries"]
            except OSError:
                time.sleep(0.5)
        assert [study["study_name"] for study in studies] == ["watched"]
    finally:
        dashboard.terminate()
        dashboard.wait(timeout=30)
