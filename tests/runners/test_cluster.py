"""A running cluster of 32 logical GPUs on this machine: 20 GB of memory and some minutes.

Logical GPUs reserve slots and have no device: the trials train on the CPU, and the search says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "COLUMNS": "200"}
DASHBOARD = 8266

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture
def head(tmp_path: Path) -> Iterator[str]:
    """A head on loopback with a token of its own; its address."""
    token = tmp_path / "token"
    token.write_text("0123456789abcdef0123456789abcdef")
    ENVIRONMENT["RAY_AUTH_TOKEN_PATH"] = str(token)
    ENVIRONMENT["RAY_AUTH_MODE"] = "token"
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block"]
    command += ["--num-gpus=32", "--num-cpus=2", "--node-ip-address=127.0.0.1", "--port=6399"]
    command += ["--include-dashboard=true", "--dashboard-host=127.0.0.1"]
    command += [f"--dashboard-port={DASHBOARD}"]
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, start_new_session=True
    )
    for _ in range(120):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", DASHBOARD), timeout=1).close()
            break
        time.sleep(1)
    yield "127.0.0.1:6399"
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(timeout=60)


def actors() -> list[dict[str, str]]:
    """The actors that the dashboard shows."""
    token = Path(ENVIRONMENT["RAY_AUTH_TOKEN_PATH"]).read_text()
    request = urllib.request.Request(
        f"http://127.0.0.1:{DASHBOARD}/api/v0/actors?limit=200&detail=true",
        headers={"Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        result: list[dict[str, str]] = json.load(answer)["data"]["result"]["result"]
    return result


def test_32_trials_are_in_flight_on_32_logical_gpus(head: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "runners" / "search.py"), "--space", "mobile_se"]
    command += ["--gpus", "32", "--address", head, "--out", str(tmp_path), "--name", "wide"]
    command += ["--trials", "34", "--epochs", "1", "--top", "1", "--final-seeds", "1"]
    command += ["--limit-train", "200"]
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    alive: list[dict[str, str]] = []
    deadline = time.monotonic() + 900
    while len(alive) < 32 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(5)
        alive = [a for a in actors() if a["state"] == "ALIVE" and a["class_name"] == "SETrial"]
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    assert len(alive) == 32, output
    assert all(re.fullmatch(r"SETrial\(digits on cpu, pid \d+\)", a["repr_name"]) for a in alive)
    assert "32 at once on 1 GPU and 0.062 CPU each" in output
    assert "reserved a GPU but finds no CUDA device" in output
    assert re.search(r"search: 34/34 trials", output)


def test_a_trial_trains_on_two_logical_gpus(head: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "runners" / "search.py"), "--space", "digits_se"]
    command += ["--gpus", "2", "--gpus-per-trial", "2", "--address", head, "--out", str(tmp_path)]
    command += ["--name", "two", "--trials", "3", "--epochs", "2", "--top", "1"]
    command += ["--final-seeds", "1", "--limit-train", "200"]
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    peers: set[str] = set()
    results = tmp_path / "two" / "results.json"
    while process.poll() is None:
        found = {a["actor_id"] for a in actors() if a["class_name"] == "Peer"}
        if not (results.exists() and json.loads(results.read_text())["ranking"]):
            peers |= found  # each retraining has its own
        time.sleep(2)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "1 at once on 2 GPU" in output
    assert re.search(r"search: 3/3 trials", output)
    assert "failed" not in output
    assert len(peers) == 1, "one peer served all trials"


def test_four_trials_share_a_logical_gpu(head: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "runners" / "search.py"), "--space", "digits_se"]
    command += ["--gpus", "1", "--gpus-per-trial", "0.25", "--address", head]
    command += ["--out", str(tmp_path), "--name", "four", "--trials", "6", "--epochs", "20"]
    command += ["--top", "1", "--final-seeds", "1", "--limit-train", "200"]
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    most = 0
    while process.poll() is None:
        alive = [a for a in actors() if a["state"] == "ALIVE" and a["class_name"] == "SETrial"]
        most = max(most, len(alive))
        time.sleep(2)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "4 at once on 0.25 GPU" in output
    assert re.search(r"search: 6/6 trials", output)
    assert "failed" not in output
    assert most == 4
