"""Whole searches with real Ray on this machine, as a user starts them."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
import torch
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from PIL import Image

import se_nas
from se_nas import Architecture, Space
from se_nas.cost.network_cost import cost
from se_nas.space.space_files import load_space
from se_nas.training.recipe import Recipe
from se_nas.training.recipes import RECIPES

ROOT = Path(__file__).resolve().parents[2]
BASE = ["--gpus", "0", "--final-seeds", "2", "--top", "2"]


def start(
    *arguments: str, space: str = "digits_se", cwd: Path | None = None
) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "runners" / "search.py"), "--space", space]
    return subprocess.Popen(
        [*command, *BASE, *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=280)
    assert process.returncode == 0, output
    assert "Traceback" not in output, output
    return output


def trials(run: Path, url: str | None = None) -> list[FrozenTrial]:
    journal = JournalFileBackend(str(run / "study.journal")) if url is None else None
    storage: BaseStorage | str = url or JournalStorage(journal)  # type: ignore[arg-type]
    return optuna.load_study(study_name=run.name, storage=storage).trials


def listening(pid: int) -> set[str]:
    """Addresses on which a process and those that it started listen."""
    found: set[str] = set()
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        try:
            connections = process.net_connections(kind="inet")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        found |= {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}
    return found


def workers(pid: int) -> list[psutil.Process]:
    """Processes that are inside a training step of a trial."""
    found: list[psutil.Process] = []
    for process in psutil.Process(pid).children(recursive=True):
        try:
            if "SETrial" in " ".join(process.cmdline()) and process.status() != "zombie":
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, set[str]]:
    """One search: its run directory, what it printed, where it listened."""
    out = tmp_path_factory.mktemp("runs")
    process = start("--trials", "6", "--epochs", "4", "--name", "one", "--out", str(out))
    addresses: set[str] = set()
    while process.poll() is None and not (out / "one" / "results.json").exists():
        addresses |= listening(process.pid)
        time.sleep(0.5)
    return out / "one", finish(process), addresses


def test_the_run_directory_is_complete(searched: tuple[Path, str, set[str]]) -> None:
    run, _, _ = searched
    space = Space.from_json((run / "space.json").read_text())
    settings = json.loads((run / "settings.json").read_text())
    versions = json.loads((run / "versions.json").read_text())
    assert space.name == "digits_se"
    assert (settings["trials"], settings["epochs"], settings["seed"]) == (6, 4, 0)
    assert Recipe.from_dict(settings["recipe"]) == RECIPES["search"]
    assert not (run / "tune").exists()
    assert versions["ray"].startswith("2.")
    assert list((run / "errors").iterdir()) == []


def test_every_trial_is_told_as_what_it_was(searched: tuple[Path, str, set[str]]) -> None:
    run, _, _ = searched
    told = trials(run)
    trained = [t for t in told if "architecture" in t.user_attrs]
    assert len(trained) == 6
    assert len({t.user_attrs["id"] for t in trained}) == 6
    for trial in trained:
        outcome: dict[str, Any] = trial.user_attrs["outcome"]
        architecture = Architecture.from_json(trial.user_attrs["architecture"])
        priced = cost(architecture, input_size=8, in_channels=1, num_classes=10)
        assert trial.user_attrs["cost"]["params"] == priced.params
        assert list(trial.intermediate_values) == list(range(1, outcome["epochs"] + 1))
        last = trial.intermediate_values[outcome["epochs"]]
        if outcome["end"] == "complete":
            assert trial.state is TrialState.COMPLETE
            assert outcome["epochs"] == 4
            assert trial.value == outcome["metrics"]["val_acc"] == last
        else:
            assert trial.state is TrialState.PRUNED
            assert outcome["end"] == "stopped_early"
            assert 2 <= outcome["epochs"] < 4
    assert not [t for t in told if t.state in (TrialState.RUNNING, TrialState.FAIL)]


def test_the_table_is_the_results_and_the_line_rebuilds_the_winner(
    searched: tuple[Path, str, set[str]],
) -> None:
    run, output, _ = searched
    results = json.loads((run / "results.json").read_text())
    roles = " ".join(final["role"] for final in results["finals"])
    assert "best 1" in roles
    assert "no SE" in roles
    assert "SE r16" in roles
    assert results["verdict"] in output
    answer = output[output.index("the answer") :].splitlines()
    assert answer[1].split() == ["winner", results["winner"]]
    assert any(line.startswith("report: ") for line in answer[2:])
    for final in results["finals"]:
        assert len(final["test_accs"]) == len(final["val_accs"]) == 2
        mean = sum(final["test_accs"]) / 2
        assert f"{100 * mean:.2f} ±" in output
    line = re.search(r"se_nas\.materialize\(.*\)", output)
    assert line is not None
    model = eval(line.group().replace(os.path.relpath(run), str(run)), {"se_nas": se_nas})
    assert str(model.architecture) == results["winner"]
    again = se_nas.load(run / "winner.safetensors").state_dict()
    assert all(torch.equal(again[key], value) for key, value in model.state_dict().items())

    from se_nas.data import RamImages, eval_loader, load
    from se_nas.training.evaluation import evaluate

    chosen = next(final for final in results["finals"] if final["name"] == results["winner"])
    data = load("digits")
    accuracy = evaluate(model, eval_loader(data.val), "cpu").accuracy
    told = json.loads((run / "winner.json").read_text())["preprocessing"]
    assert told == data.preprocessing.to_dict()
    mean, std = torch.tensor(told["mean"]), torch.tensor(told["std"])
    assert isinstance(data.val, RamImages)
    pixels = data.val.images_nchw.float() / 255
    logits = model.eval()((pixels - mean[:, None, None]) / std[:, None, None])
    assert (logits.argmax(1) == data.val.labels).float().mean().item() == pytest.approx(accuracy)
    assert accuracy == pytest.approx(max(chosen["val_accs"]), abs=1e-6)


def test_the_winner_is_chosen_by_validation_among_the_searched(
    searched: tuple[Path, str, set[str]],
) -> None:
    results = json.loads((searched[0] / "results.json").read_text())
    own = [final for final in results["finals"] if final["search_value"] is not None]
    best = max(own, key=lambda final: sum(final["val_accs"]))
    assert results["winner"] == best["name"]


def test_a_local_cluster_listens_on_loopback_only(searched: tuple[Path, str, set[str]]) -> None:
    addresses = searched[2]
    assert addresses, "the driver's Ray processes were seen listening"
    assert all(a.startswith("127.") or a in ("::1", "::ffff:127.0.0.1") for a in addresses), (
        addresses
    )


def test_it_prints_where_to_watch(searched: tuple[Path, str, set[str]]) -> None:
    assert re.search(r"dashboard +http://127\.0\.0\.1:\d+", searched[1])


@pytest.mark.slow  # test_resume.py kills a worker and a driver
def test_a_killed_worker_costs_nothing_but_time(tmp_path: Path) -> None:
    process = start(
        *("--trials", "4", "--epochs", "6", "--first-rung", "1", "--no-dashboard"),
        *("--name", "killed", "--out", str(tmp_path)),
    )
    deadline = time.monotonic() + 120
    victim: psutil.Process | None = None
    while victim is None and time.monotonic() < deadline and process.poll() is None:
        journal = tmp_path / "killed" / "study.journal"
        begun = journal.exists() and '"intermediate_value"' in journal.read_text()
        victim = next(iter(workers(process.pid)), None) if begun else None
        time.sleep(0.05)
    assert victim is not None, "a worker was seen training"
    victim.kill()
    assert "a worker died" in finish(process)
    told = [t for t in trials(tmp_path / "killed") if "architecture" in t.user_attrs]
    assert [t.state for t in told] == [TrialState.COMPLETE] * 4
    for trial in told:
        assert list(trial.intermediate_values) == [1, 2, 3, 4, 5, 6]


TWO = """
from se_nas import SE, Space, choice, maximize, minimize, optional, per_stage, trunk
SPACE = Space(
    "two",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4)))),
    objectives=[minimize("params"), maximize("val_acc")],
)
"""


def test_hours_are_a_budget_for_all_of_it(tmp_path: Path) -> None:
    began = time.monotonic()
    output = finish(start("--hours", "0.01", "--epochs", "3", "--no-dashboard", "--name", "short",
                          cwd=tmp_path))  # fmt: skip
    took = time.monotonic() - began
    assert "trials     those that fit into 0.01 h of 3 epochs" in output
    ended = [t for t in trials(tmp_path / "runs" / "short") if "outcome" in t.user_attrs]
    assert ended, "however slow the start was"
    assert f"search: {len(ended)}/{len(ended)} trials" in output
    assert "the winner, trained" in output
    assert took < 36 + 200, "a start of Ray and the trainings under way are most of it"


def test_two_objectives_in_a_database(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(TWO)
    url = f"sqlite:///{tmp_path}/study.db"
    output = finish(
        start(
            *("--sampler", "nsga2", "--trials", "10", "--epochs", "1", "--no-dashboard"),
            *("--storage", url, "--name", "two", "--out", str(tmp_path)),
            space=str(tmp_path / "two.py"),
        )
    )
    told = [t for t in trials(tmp_path / "two", url) if "architecture" in t.user_attrs]
    assert [t.state for t in told] == [TrialState.COMPLETE] * 10
    assert any(t.system_attrs.get("NSGAIISampler:generation", 0) for t in told), "it never bred"
    assert all(t.values[0] == t.user_attrs["cost"]["params"] for t in told)
    results = json.loads((tmp_path / "two" / "results.json").read_text())
    feasible = {
        t.user_attrs["name"]: t.values
        for t in told
        if t.state is TrialState.COMPLETE and all(v <= 0 for v in t.constraints.values())
    }
    dominated = {
        name
        for name, (params, accuracy) in feasible.items()
        if any(
            p <= params and a >= accuracy and (p, a) != (params, accuracy)
            for p, a in feasible.values()
        )
    }
    ranking = {row["name"]: row["values"] for row in results["ranking"]}
    assert len(ranking) == len(results["ranking"])
    assert ranking == {name: v for name, v in feasible.items() if name not in dominated}
    front = list(ranking.values())
    accuracies = [accuracy for _, accuracy in front]
    assert accuracies == sorted(accuracies, reverse=True)
    assert results["finals"][0]["search_value"] == accuracies[0]
    assert f"Pareto front, {len(front)} networks" in output


HEAVY = """
from se_nas import Space, choice, trunk
SPACE = Space("heavy", trunk=trunk("resnet8_small", width=choice(4, 8, 400000, 400001)))
"""


def test_own_images_by_a_relative_folder_and_networks_that_do_not_fit(tmp_path: Path) -> None:
    rng = random.Random(0)
    for part, count in (("train", 40), ("test", 10)):
        for label in range(2):
            folder = tmp_path / "images" / part / f"class{label}"
            folder.mkdir(parents=True)
            for i in range(count):
                color = (rng.randrange(100) + 150 * label, rng.randrange(256), rng.randrange(256))
                Image.new("RGB", (20, 20), color).save(folder / f"{i}.png")
    (tmp_path / "heavy.py").write_text(HEAVY)
    output = finish(
        start(
            *("--data", "imagefolder", "--data-dir", "images", "--image-size", "16"),
            *("--sampler", "random", "--trials", "9", "--epochs", "1", "--no-dashboard"),
            *("--name", "heavy", "--out", "runs"),
            space="heavy.py",
            cwd=tmp_path,
        )
    )
    told = trials(tmp_path / "runs" / "heavy")
    by_width: dict[int, set[str]] = {}
    for trial in told:
        by_width.setdefault(trial.params["trunk.width"], set()).add(trial.user_attrs["end"])
    fits, not_fits = {"complete"}, {"out_of_memory"}
    assert by_width == {4: fits, 8: fits, 400000: not_fits, 400001: not_fits}
    for trial in told:
        heavy = trial.params["trunk.width"] > 8
        told_once = not heavy and not trial.user_attrs.get("duplicate")
        assert trial.state is (TrialState.COMPLETE if told_once else TrialState.PRUNED)
        assert (trial.constraints.get("memory", 0) > 0) == heavy
    assert "2 out of memory" in output
    assert "found no further network" in output


def test_ctrl_c_ends_the_search_and_tells_nothing_of_trials_that_did_not_end(
    tmp_path: Path,
) -> None:
    process = start(
        *("--trials", "50", "--epochs", "50", "--no-dashboard"),
        *("--name", "stopped", "--out", str(tmp_path)),
    )
    journal = tmp_path / "stopped" / "study.journal"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if journal.exists() and '"intermediate_value"' in journal.read_text():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    try:
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, output
    assert "stopped: what was trained is in" in output
    assert "Traceback" not in output, output
    told = trials(tmp_path / "stopped")
    assert {t.state for t in told} <= {TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED}
    assert [t for t in told if t.state is TrialState.RUNNING]


def test_a_dry_run_trains_nothing(tmp_path: Path) -> None:
    output = finish(start("--dry-run", "--out", str(tmp_path / "o")))
    assert f"{load_space('digits_se').size:,} points" in output
    assert "of random draws pass" in output
    assert output.count("yes") >= 8
    assert not (tmp_path / "o").exists()
