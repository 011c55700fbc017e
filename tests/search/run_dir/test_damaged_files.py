"""Each file of a run, damaged in each way: one line that names it, or the run goes on."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from se_nas import InputError, SearchResult, Space
from se_nas.search import run as way
from se_nas.search.config import SearchConfig
from se_nas.search.plan import Plan
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.worker.shared_data import NO_OBJECTS

CUT = Path(__file__).parents[2] / "runners" / "run_of_eade8cf"
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "{}": lambda _: b"{}",
    "[]": lambda _: b"[]",
    "null": lambda _: b"null",
    "cut": lambda content: content[: len(content) // 2],
    "deep": lambda _: b"[" * 100_000,
    "binary": lambda content: gzip.compress(content + b"some bytes"),
    "zeros": lambda content: b"\0" * len(content),
    "another's": lambda _: b'{"version": 3, "items": [1, 2]}',
}
JSON = ("space.json", "settings.json", "versions.json", "results.json", "driver.json")
FILES = (*JSON, "winner.json", "run.toml", "study.journal", "lock", "checkpoints/trial-00003.pt")

READ_AGAIN = ("settings.json", "results.json", "study.journal")  # of a complete run


class Reached(Exception):
    """The run would go on: Ray is asked for."""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """A run of an earlier version that was cut."""
    path = tmp_path / "run"
    shutil.copytree(CUT, path)

    def no_ray(_: SearchConfig, __: Path) -> None:
        raise Reached

    monkeypatch.setattr(way, "connected", no_ray)
    monkeypatch.setattr(way, "Plan", SimpleNamespace(of=whole_plan))
    return RunDirectory(path)


def whole_plan(space: Space, config: SearchConfig, user: object, console: Console) -> Plan:
    """The plan of a search, made once."""
    assert user is NO_OBJECTS
    return _plan(space, config)


@cache
def _plan(space: Space, config: SearchConfig) -> Plan:
    return Plan.of(space, config)


def finish(run: RunDirectory) -> None:
    """Write the results of a complete run."""
    records = map(json.loads, run.journal.read_text().splitlines())
    told = (record.get("user_attr", {}) for record in records)
    trained = next(each["architecture"] for each in told if "architecture" in each)
    final = {
        "role": "best 1 = no SE",
        "name": "resnet8_small-width8",
        "architecture": trained,
        "cost": {"params": 10, "macs": 20, "peak_activations": 5},
        "latency": None,
        "search_value": 0.5,
        "val_accs": [0.5, 0.25],
        "val_losses": [1.0, 1.0],
        "test_accs": [0.5, 0.25],
        "ends": ["complete", "complete"],
        "reasons": ["", ""],
    }
    done = {"winner": "resnet8_small-width8", "verdict": "SE did not win.", "finals": [final]}
    run.write("results.json", done | run.read("results.json"))


def resume(run: RunDirectory) -> str:
    """The outcome of ``--resume``: ``shown``, ``goes on``, or the line of an error."""
    console = Console(quiet=True)
    try:
        way.resume(str(run.path), None, SearchConfig(gpus=0), [], console)
    except Reached:
        return "goes on"
    except InputError as error:
        return str(error)
    return "shown"


def test_whole_files_are_taken_up(run: RunDirectory) -> None:
    assert resume(run) == "goes on"
    finish(run)
    assert resume(run) == "shown"
    assert str(SearchResult.load(run.path).winner) == "resnet8_small-width8"


@pytest.mark.parametrize(
    ("name", "complete"), [(name, False) for name in FILES] + [(name, True) for name in READ_AGAIN]
)
def test_a_damaged_file_is_named_in_one_line(name: str, complete: bool, run: RunDirectory) -> None:
    if complete:
        finish(run)
    file, harmless = run.path / name, {"goes on", "shown"}
    content = file.read_bytes() if file.is_file() else b'{"driver": "a", "joined": false}'
    for damage, change in DAMAGES.items():
        file.write_bytes(change(content))
        check(run, name, damage, harmless, complete)
        file.write_bytes(content)
    file.unlink()
    file.mkdir()
    check(run, name, "a folder", harmless, complete)


def check(run: RunDirectory, name: str, damage: str, harmless: set[str], complete: bool) -> None:
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    outcomes = [resume(run)]
    if complete:
        try:
            SearchResult.load(run.path)
        except InputError as error:
            outcomes.append(str(error))
    for outcome in outcomes:
        if outcome not in harmless and "has no result yet" not in outcome:
            assert name in outcome, (damage, outcome)
            assert "\n" not in outcome, (damage, outcome)
    for path, content in before.items():
        if path != run.lock:
            cut = b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}.cut-*"))
            now = path.read_bytes()
            # A journal is written on, and what is cut off it is kept.
            written_on = path == run.journal and now.startswith(content[: len(content) - len(cut)])
            assert now == content or (written_on and content.endswith(cut)), (damage, path)
    for cut in run.path.glob("*.cut-*"):
        cut.unlink()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("settings.json", {"trials": "many"}),
        ("settings.json", {"data": "cifar10"}),
        ("settings.json", {"data": {"name": 5}}),
        ("settings.json", {"sampler": 5}),
        ("settings.json", {"gpus_per_trial": "half"}),
        ("settings.json", {"recipe": []}),
        ("settings.json", {"enqueue": 5}),
        ("settings.json", {"out": None}),
        ("settings.json", {"no_such": 1}),
        ("results.json", {"winner": 5}),
        ("results.json", {"winner": "no_such_model"}),
        ("results.json", {"finals": []}),
        ("results.json", {"finals": [5]}),
        ("results.json", {"finals": [{}]}),
        ("versions.json", {"resumed": 5}),
        ("versions.json", {"resumed": [5]}),
        ("space.json", {"trunk": 5}),
        ("space.json", {"constraints": {"a": 1}}),
        ("space.json", {"objectives": []}),
    ],
)
def test_a_value_of_another_kind_is_named_with_its_file(
    name: str, value: dict[str, object], run: RunDirectory
) -> None:
    if name == "results.json":
        finish(run)
    run.write(name, run.read(name) | value)
    outcome = resume(run)
    assert name in outcome
    assert "\n" not in outcome


@pytest.mark.parametrize("name", ["errors", "checkpoints", "finals", "tune"])
def test_a_file_in_the_place_of_a_folder_is_named(name: str, run: RunDirectory) -> None:
    shutil.rmtree(run.path / name, ignore_errors=True)
    (run.path / name).write_text("mine")
    assert f"{name}' is no folder; move it away" in resume(run)
    assert (run.path / name).read_text() == "mine"
