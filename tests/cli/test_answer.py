"""``--json``: one document on standard output, with the keys that docs/json.md names."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import se_nas
from se_nas.cli import COMMANDS, main
from se_nas.cli.answer import plain

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "json.md").read_text()
FINALS = ("--top", "1", "--final-seeds", "1", "--final-epochs", "1")


def documented(command: str) -> set[str]:
    [row] = re.findall(rf"^\| `{command}` \| (.*) \|$", PAGE, re.M)
    return set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", row).partition(";")[0]))


def answer(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Mapping[str, Any]:
    """The document of a command, whose keys are those of the page."""
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--json"])
    said = capsys.readouterr()
    assert stop.value.code == code, said.err
    values: Mapping[str, Any] = json.loads(said.out)
    assert values["command"] == arguments[0]
    row = "search --dry-run" if "--dry-run" in arguments else arguments[0]
    assert set(values) == documented(row) | {"command"}
    return values


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("answers")
    return folder


@pytest.fixture
def trained(run: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The folder of a training; its own answer is looked at where it is made."""
    folder = run / "net"
    if not folder.exists():
        told = answer(
            capsys,
            *("train", "se_resnet8_small_r8", "--data", "digits", "--epochs", "2"),
            *("--threads", "1", "--limit-train", "400", "--out", str(run), "--name", "net"),
        )
        assert told["folder"] == str(folder)
        assert told["card"] == json.loads((folder / "card.json").read_text())
        assert 0 < told["card"]["test"]["mean"] <= 1
    return folder


def test_every_command_with_results_answers_programs() -> None:
    answering = {
        name
        for name, (function, _) in COMMANDS.items()
        if "as_json" in inspect.signature(function).parameters
    }
    assert answering == set(COMMANDS) - {"new"}  # which writes one file
    assert all(documented(name) for name in answering)


@pytest.mark.parametrize("what", ["models", "spaces", "data", "recipes", "runs"])
def test_lists(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = answer(capsys, "list", what, "--out", str(tmp_path))
    assert told["list"] == what
    names = [item["name"] for item in told["items"]]
    assert bool(names) == (what != "runs")
    if what == "models":
        assert names == se_nas.list_models()


def test_what_needs_no_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "doctor", "--out", str(tmp_path))["findings"]
    assert {"torch", "ray"} <= {each["what"] for each in found if each["ok"]}
    dry = answer(capsys, "search", "--space", "digits_se", "--dry-run")
    assert dry["size"] == se_nas.load_space("digits_se").size
    assert {each["feasible"] for each in dry["architectures"]} == {True}
    network = answer(capsys, "materialize", "se_resnet50_r16", "--summary")
    assert network["cost"]["params"] == 28_088_024
    assert network["file"] is None
    tables = answer(capsys, "materialize", "se_resnet50_r16", "--table", "2")["table"]
    assert "se_resnet50_r16" in {row["name"] for row in tables}
    assert {e["removed"] for e in answer(capsys, "clean")["leftovers"]} <= {False}


def test_a_trained_network(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accuracy = json.loads((trained / "card.json").read_text())["test"]["mean"]
    found = answer(capsys, "evaluate", str(trained))
    assert 1 - found["top1_error"] == pytest.approx(accuracy, abs=1e-9)
    assert found["recorded_accuracy"] == accuracy
    picture = str(tmp_path / "a.png")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(picture)
    [shown] = answer(capsys, "predict", str(trained), picture, "--top", "10")["pictures"]
    assert shown["picture"] == picture
    assert sum(each["probability"] for each in shown["classes"]) == pytest.approx(1, abs=1e-3)
    gates = answer(capsys, "explain", str(trained))
    assert len(gates["blocks"]) == 3
    lighter = str(tmp_path / "lighter.safetensors")
    folded = answer(capsys, "fold", str(trained), "--out", lighter, "--budget", "100")
    assert folded["folded_stages"] == [2, 3, 4]
    assert folded["file"] == lighter
    small = answer(capsys, "quantize", str(trained), "--out", str(tmp_path / "q.onnx"))
    assert small["int8_bytes"] < small["float32_bytes"]
    assert len(small["blocks"]) == 3


def test_a_training_again(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(capsys, "verify", str(trained))["same"]


def test_an_answer_of_no_has_a_document_too(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = json.loads((trained / "card.json").read_text())
    for place in (values["test"], *values["runs"]):
        key = "mean" if "mean" in place else "test_acc"
        place[key] = 0.125
    for file in trained.iterdir():
        if file.is_file() and file.name != "card.json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "card.json").write_text(json.dumps(values))
    found = answer(capsys, "evaluate", str(tmp_path), code=1)
    assert found["recorded_accuracy"] == 0.125


def test_a_refusal_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["list", "modles", "--json"])
    said = capsys.readouterr()
    assert stop.value.code == 2
    assert said.out == ""
    assert said.err.count("\n") == 1


def test_a_search_its_report_and_its_replay(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told = answer(
        capfd,
        *("search", "--space", "digits_se", "--trials", "2", "--epochs", "1", *FINALS),
        *("--gpus", "0", "--no-dashboard", "--limit-train", "200", "--out", str(tmp_path)),
        *("--name", "one"),
    )
    assert told["run"] == str(tmp_path / "one")
    assert told["results"] == json.loads((tmp_path / "one" / "results.json").read_text())
    assert Path(told["report"]).is_file()
    described = set(re.findall(r"`(\w+)`", PAGE.partition("## results.json")[2]))
    assert set(told["results"]) <= described
    assert set(told["results"]["finals"][0]) <= described
    assert set(told["results"]["proposals"]) <= described
    again = answer(capfd, "search", "--resume", "one", "--out", str(tmp_path))
    assert again["results"] == told["results"]
    page = answer(capfd, "report", str(tmp_path / "one"), "--out", str(tmp_path / "page.html"))
    assert Path(page["report"]).read_text().startswith("<!doctype html>")
    replayed = answer(capfd, "replay", "one", "--out", str(tmp_path))
    assert replayed["different"] is None
    assert replayed["asks"] == 2


def test_values_are_those_of_json() -> None:
    assert plain({"a": float("inf"), "b": (Path("x"), {1: 2})}) == {"a": None, "b": ["x", {"1": 2}]}


def test_a_file_that_is_trained_on_keeps_the_size_of_its_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            folder = tmp_path / "photos" / part / name
            folder.mkdir(parents=True)
            for number in range(10):
                Image.new("RGB", (40, 30), (20 * number, 9, 9)).save(folder / f"{number}.png")
    photos = ("--data", "imagefolder", "--data-dir", str(tmp_path / "photos"), "--epochs", "1")
    runs = ("--out", str(tmp_path), "--threads", "1", "--batch-size", "4")
    first = ("train", "resnet8_small", *photos, *runs, "--image-size", "24", "--name", "first")
    assert answer(capsys, *first)["card"]["config"]["data"]["image_size"] == 24
    weights = str(tmp_path / "first" / "seed-0.safetensors")
    for given, expected in (((), 24), (("--image-size", "16"), 16)):
        again = ("train", weights, *photos, *runs, *given, "--name", f"again{expected}")
        assert answer(capsys, *again)["card"]["config"]["data"]["image_size"] == expected
