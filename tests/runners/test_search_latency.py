"""Searches with latency in their space, with real Ray on this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from se_nas import Architecture
from se_nas.latency.blocks import blocks
from se_nas.latency.settings import Signature
from se_nas.latency.table import LatencyTable, Measurements

ROOT = Path(__file__).resolve().parents[2]

SPACE = """
from se_nas import SE, Space, choice, latency_ms, maximize, minimize, optional, per_stage, trunk
SPACE = Space(
    "timed",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4)))),
    constraints=[latency_ms <= {limit}],
    objectives=[maximize("val_acc"), minimize("latency_ms")],
)
"""
SIZE = "import os, sys; print(os.path.getsize(sys.argv[1]) / 1e5)"


def search(
    folder: Path, limit: float, *arguments: str, name: str = "timed"
) -> subprocess.CompletedProcess[str]:
    (folder / "timed.py").write_text(SPACE.format(limit=limit))
    command = [sys.executable, str(ROOT / "runners" / "search.py"), "--space", "timed.py"]
    command += ["--gpus", "0", "--sampler", "nsga2", "--trials", "4", "--epochs", "1", "--top", "1"]
    command += ["--final-seeds", "1", "--no-dashboard", "--name", name, "--latency-cache", "cache"]
    return subprocess.run(
        [*command, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
        env=os.environ | {"COLUMNS": "200"},
    )


@pytest.mark.slow
def test_a_search_that_minimizes_latency(tmp_path: Path) -> None:
    done = search(tmp_path, 1e6)
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout
    [timed] = re.findall(r"alone: (\d+) networks to time, 0 known", done.stdout)
    assert 0 < int(timed) < 14  # some share their blocks
    assert re.search(r"error on \d+ held-out networks: median", done.stdout)
    assert "table ms" in done.stdout

    run = tmp_path / "runs" / "timed"
    written = json.loads((run / "latency.json").read_text())
    table = LatencyTable(
        Measurements.from_dict(written["measurements"]), Signature(**written["signature"])
    )
    storage = JournalStorage(JournalFileBackend(str(run / "study.journal")))
    told = optuna.load_study(study_name="timed", storage=storage).trials
    trained = [t for t in told if "architecture" in t.user_attrs]
    assert [t.state for t in trained] == [TrialState.COMPLETE] * 4
    for trial in trained:
        architecture = Architecture.from_json(trial.user_attrs["architecture"])
        assert trial.values[1] == table.predict(architecture) > 0
        known = table.measurements.blocks
        assert all(block.key in known for block in blocks(architecture, table.signature))
    finals = json.loads((run / "results.json").read_text())["finals"]
    assert all(final["latency"]["median_ms"] > 0 for final in finals)
    assert all(final["cost"]["latency_ms"] > 0 for final in finals)
    assert len(written["finals"]["networks"]) == len(finals)

    again = search(tmp_path, 1e-6, name="again")
    assert again.returncode == 2, again.stdout
    assert " 0 networks to time" in again.stdout
    assert "no architecture keeps the constraints: latency_ms <= 1e-06 (nearest" in again.stdout
    assert not (tmp_path / "runs" / "again").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("--latency-backend", "onnxruntime"),
        (
            "--latency-command",
            f"{sys.executable} -c '{SIZE}' {{onnx}}",
        ),
    ],
    ids=["onnxruntime", "command"],
)
def test_a_search_with_the_latency_of_another_runtime(
    options: tuple[str, str], tmp_path: Path
) -> None:
    few = ("--latency-sweeps", "1", "--latency-networks", "8", "--latency-held-out", "3")
    done = search(tmp_path, 1e6, *options, *few, "--trials", "2")
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout
    assert "error on 3 held-out networks: median" in done.stdout
    run = tmp_path / "runs" / "timed"
    written = json.loads((run / "latency.json").read_text())
    field = options[0].removeprefix("--latency-")
    assert written["settings"][field] == written["identity"][field] == options[1]
    table = LatencyTable(
        Measurements.from_dict(written["measurements"]), Signature(**written["signature"])
    )
    if field == "command":  # kilobytes add up, but for what each file has once
        for row in written["held_out"]["networks"]:
            predicted = table.predict(Architecture.parse(row["name"]))
            assert predicted == pytest.approx(row["measured"]["median_ms"], rel=0.3)
    finals = json.loads((run / "results.json").read_text())["finals"]
    assert all(final["latency"]["median_ms"] > 0 for final in finals)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--latency-command", "no_such_tool {onnx}"), "No such file or directory: 'no_such_tool'"),
        pytest.param(
            ("--latency-command", "true {onnx}"), "its last line is ''", marks=pytest.mark.slow
        ),
    ],
)
def test_a_tool_that_does_not_tell_a_time_ends_the_search_at_once(
    options: tuple[str, str], said: str, tmp_path: Path
) -> None:
    done = search(tmp_path, 1e6, *options)
    assert done.returncode == 2, done.stdout
    assert said in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "runs" / "timed").exists()
