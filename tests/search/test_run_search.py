"""The search as a Python function: what it is given, and the value that it returns."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import se_nas
from se_nas import SE, InputError, SearchResult, Space, choice, data, maximize, optional, per_stage
from se_nas.data import ImageShape, from_datasets
from se_nas.search.config import DataSettings, config_from_options
from se_nas.search.plan import Plan
from se_nas.search.user_input import read_space, user_options
from se_nas.search.worker.data import load_data
from se_nas.tasks.card import Card
from se_nas.tasks.evaluate import evaluate
from se_nas.tasks.trained import data_of, trained
from se_nas.tasks.verify import verify

ROOT = Path(__file__).resolve().parents[2]
SPACE = Space(
    "mine",
    trunk=se_nas.trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4)))),
)
SMALL: dict[str, Any] = {"epochs": 2, "top": 1, "final_seeds": 1, "gpus": 0, "dashboard": False}


def own_data(name: str = "stripes", count: int = 120) -> Any:
    def image(i: int) -> torch.Tensor:
        stripes = (torch.arange(8) % 2 == 0).float().expand(2, 8, 8)
        return stripes if i % 2 else stripes.transpose(1, 2)

    noisy = [(image(i), i % 2) for i in range(count)]

    class Noisy(torch.utils.data.Dataset[Any]):
        noise = staticmethod(lambda image: image + 0.1 * torch.randn_like(image))  # not picklable

        def __len__(self) -> int:
            return len(noisy)

        def __getitem__(self, i: int) -> Any:
            return self.noise(noisy[i][0]), noisy[i][1]

    return from_datasets(Noisy(), name=name, classes=["across", "down"])


def test_the_winner_has_a_card_by_which_it_is_trained_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings: dict[str, Any] = {"trials": 2, "out": str(tmp_path), "name": "card", **SMALL}
    settings |= {"final_seeds": 2, "limit_train": 200, "seed": 4, "cpus_per_trial": 1}
    result = se_nas.run_search(SPACE, **settings)
    card = Card.read(result.run)
    best = next(final for final in result.finals if final.name == str(result.winner))
    assert [run.seed for run in card.runs] == [5, 6]
    assert tuple(run.test_acc for run in card.runs) == best.test_accs
    assert [len(run.curve) for run in card.runs] == [2, 2]
    found = trained(str(result.run))
    assert found.file.name == "winner.safetensors"
    assert evaluate([found.model], data_of(found, "run"), device="cpu").top1_error == (
        pytest.approx(1 - found.told[0])
    )
    again = verify(result.run, seed=5)
    assert again.same is True, "the same training, to the last bit"


def test_a_search_for_rare_classes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    space = Space(
        "rare",
        trunk="resnet8_small",
        se=per_stage(optional(SE(reduction=choice(2, 4)))),
        objectives=[maximize("balanced_accuracy")],
    )
    settings = {"trials": 6, "out": str(tmp_path), "name": "rare", **SMALL, "balanced": True}
    result = se_nas.run_search(space, limit_train=200, **settings)
    said = capfd.readouterr().out
    assert "val balanced %" in said
    assert "test balanced %" in said
    for trial in result.trials:
        assert 0 <= trial.metrics["balanced_accuracy"] <= 1
    told = json.loads((tmp_path / "rare" / "results.json").read_text())
    first = told["ranking"][0]["values"][0]
    assert first == max(
        t.metrics["balanced_accuracy"] for t in result.trials if t.end == "complete"
    )
    assert set(told["finals"][0]["more"][0]) >= {"balanced_accuracy", "test_balanced_accuracy"}
    assert told["effects"][0]["unit"] == "points"
    recipe = json.loads((tmp_path / "rare" / "settings.json").read_text())["recipe"]
    assert recipe["balanced"] is True


def test_a_search_on_data_and_a_training_of_ones_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def train(architecture: Any, report: Any, resources: Any) -> Any:
        data = resources.data
        model = se_nas.materialize(architecture, num_classes=2, in_channels=data.in_channels)
        for epoch in range(resources.epochs):
            report(val_acc=0.5 + 0.1 * epoch + model.num_classes / 100, lines=epoch)
        return model

    stripes = own_data()
    settings = {"trials": 2, "out": str(tmp_path), "name": "one", "first_rung": 1.0, **SMALL}
    result = se_nas.run_search(SPACE, stripes, train=train, progress=False, **settings)
    assert capfd.readouterr() == ("", "")

    assert result.run == tmp_path / "one"
    assert result.winner in SPACE
    assert [trial.number for trial in result.trials] == [0, 1]
    for trial in result.trials:
        assert (trial.end, trial.epochs) == ("complete", 2)
        assert trial.val_acc == pytest.approx(0.62)
        assert trial.metrics["lines"] == 1
        assert trial.params > 10_000
        assert str(trial.architecture) == trial.name
    assert result.finals[0].role.startswith("best 1")
    assert all(0 <= final.test_mean <= 1 and final.test_spread == 0 for final in result.finals)
    assert "no verdict" in result.verdict
    assert not (result.run / "card.json").exists(), "se-nas train knows neither"
    model = result.model()
    assert not model.training
    assert model(torch.rand(3, 2, 8, 8)).shape == (3, 2)
    assert repr(result).startswith(f"SearchResult({result.winner}, 2 trials, ")
    assert list(result.to_dataframe()["name"]) == [trial.name for trial in result.trials]
    assert SearchResult.load(result.run) == result

    again: dict[str, Any] = {"resume": result.run, "progress": False, "trials": 3}
    with pytest.raises(InputError, match=r"'stripes'.* is to be given again"):
        se_nas.run_search(**again)
    with pytest.raises(
        InputError, match=r"`data` is 'object:other@\w+', in the run .* 'object:stripes@"
    ):
        se_nas.run_search(data=own_data("other"), train=train, **again)
    fewer = own_data(count=60)
    with pytest.raises(InputError, match=r"`data` is 'object:stripes@\w+', in the run .* 'object:"):
        se_nas.run_search(data=fewer, train=train, **again)
    with pytest.raises(InputError, match=r"train .* was given as a Python function; give it again"):
        se_nas.run_search(data=stripes, **again)
    more = se_nas.run_search(data=stripes, train=train, **again)
    assert [trial.number for trial in more.trials[:2]] == [0, 1]
    assert len(more.trials) == 3


OWN_DATA = """
import torch
from torch.utils.data import TensorDataset
from se_nas.data import from_datasets

def load_data():
    return from_datasets(TensorDataset(torch.rand(60, 1, 8, 8), torch.arange(60) % 2))
"""
OWN_TRAIN = """
import se_nas
from accuracy import ACCURACY

def train(architecture, report, resources):
    for epoch in range(resources.epochs):
        report(val_acc=ACCURACY, val_loss=1.0)
    return se_nas.TrainResult(test_acc=0.25)
"""


def test_the_command_line_takes_files_with_data_and_training(tmp_path: Path) -> None:
    (tmp_path / "my_data.py").write_text(OWN_DATA)
    (tmp_path / "my_train.py").write_text(OWN_TRAIN)
    (tmp_path / "accuracy.py").write_text("ACCURACY = 0.75")
    command = [sys.executable, str(ROOT / "runners" / "search.py"), "--space", "digits_se"]
    command += ["--data", "my_data.py", "--train", "my_train.py", "--trials", "2", "--epochs", "1"]
    command += ["--gpus", "0", "--top", "1", "--final-seeds", "1", "--no-dashboard"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "data       own: 2 classes, 1×8×8, 36 train" in done.stdout
    assert "the winner, untrained: train() returned no model" in done.stdout
    [run] = (tmp_path / "runs").iterdir()
    assert run.name.startswith("digits_se-my_data-")
    result = SearchResult.load(run)
    assert {trial.val_acc for trial in result.trials} == {0.75}
    assert {final.test_accs for final in result.finals} == {(0.25,)}
    with pytest.raises(InputError, match="has no weights of its winner"):
        result.model()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "space is missing: give a space, or resume=RUN"),
        ({"space": 3}, "space is a int; give a Space, a name or a path"),
        ({"space": "digit_se"}, "did you mean 'digits_se'"),
        ({"space": "digits_se", "data": [1]}, "data is a list; give a name, a path, or se_nas"),
        ({"space": "digits_se", "data": "cifar"}, "did you mean 'cifar10'"),
        ({"space": "digits_se", "train": print}, "`train` is given without `data`"),
        ({"space": "digits_se", "train": 3}, "train is a int; give a function train("),
        (
            {"space": "digits_se", "data": "digits", "train": "gone.py"},
            "gone.py': there is no such file",
        ),
        ({"space": "digits_se", "trial": 3}, "unknown setting 'trial'; did you mean 'trials'"),
        ({"space": "digits_se", "trials": "3"}, "trials is '3'; give a whole number"),
        (
            {"space": "digits_se", "data": ImageShape(num_classes=2, in_channels=1, image_size=8)},
            "images: 2 classes, 1×8×8, without images; give train= that brings its own",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    arguments: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        se_nas.run_search(**arguments)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir()), "nothing began"


def test_a_file_may_hold_a_shape_for_a_training_with_its_own_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    file, mine = tmp_path / "shape.py", tmp_path / "mine.py"
    shape = "ImageShape(num_classes=7, in_channels=2, image_size=9)"
    file.write_text(f"from se_nas.data import ImageShape\nDATA = {shape}")
    mine.write_text("def train(architecture, report, resources): ...")
    options = {"data": str(file), "epochs": 1}
    with pytest.raises(InputError, match="without images; give train= that brings its own"):
        Plan.of(SPACE, config_from_options(options))
    plan = Plan.of(SPACE, config_from_options(options | {"train": str(mine)}))
    assert plan.images.summary() == "images: 7 classes, 2×9×9"
    with pytest.raises(InputError, match=r"limit_train is 5; shape\.py has no images"):
        Plan.of(SPACE, config_from_options(options | {"limit_train": 5}))
    with pytest.raises(InputError, match="has an ImageShape, without images"):
        data.load(str(file))


def test_a_training_on_the_command_line_needs_data(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "runners" / "search.py"), "--space", "digits_se"]
    command += ["--train", "mine.py", "--dry-run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert done.returncode == 2
    assert "--train is given without --data, by which" in done.stderr


def test_names_files_folders_and_objects_become_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "digits").mkdir()

    def options(data: object = None, train: object = None, **settings: Any) -> dict[str, Any]:
        return user_options(None, data, train, settings)[0]

    assert options() == {}
    assert options("digits") == {"data": "digits"}
    assert options(Path("digits")) == {"data": "imagefolder", "data_dir": "digits"}
    assert options("images") == {"data": "imagefolder", "data_dir": "images"}
    assert options("birds.csv") == {"data": "table", "data_dir": "birds.csv"}
    assert config_from_options(options("mine.py")).data.name == str(tmp_path / "mine.py")
    assert config_from_options(options("mine.py")).data.title == "mine"
    own = options(own_data(), print)
    assert own == options(own_data(), print)
    assert re.fullmatch(r"object:stripes@[0-9a-f]{8}", own["data"])
    assert own["train"] == "print"
    with pytest.raises(InputError, match="image_size is 32; the data set decides that itself"):
        options(own_data(), image_size=32)
    assert read_space(None) is None
    assert read_space(SPACE) is SPACE


def test_a_data_set_of_a_known_name_is_not_loaded_by_that_name() -> None:
    def settings(**options: Any) -> DataSettings:
        images = data.load("digits", **options)
        return config_from_options(user_options(None, images, None, {})[0]).data

    found = settings(limit_train=200)
    assert found.title == "digits"
    assert found == settings(limit_train=200)
    assert found not in (settings(), settings(limit_train=200, seed=1))
    with pytest.raises(InputError, match="unknown data set 'object:digits@"):
        data.load(found.name)
    with pytest.raises(InputError, match="data 'digits' was given as a Python object; it is to be"):
        load_data(found, 0)


def test_a_run_that_is_not_complete_has_no_result(tmp_path: Path) -> None:
    for name in ("settings.json", "space.json", "versions.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match="has no result yet; go on with resume="):
        SearchResult.load(tmp_path)


def test_a_table_without_pandas_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    result = SearchResult(SPACE.sample(0), "", (), (), tmp_path)
    with pytest.raises(InputError, match="pip install pandas, or use trials"):
        result.to_dataframe()
