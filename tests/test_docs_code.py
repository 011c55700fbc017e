"""Every block of Python in the documents runs, with what its reader would have."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
import torch
import torchvision
from PIL import Image
from torch.utils.data import TensorDataset

import se_nas
import se_nas.trunks
from se_nas import Architecture, Space, load_space
from se_nas.cost import cost
from se_nas.data import Data, Preprocessing, load

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/api/*.md")])
SMALL = "se_resnet8_small_r8"
TOLD = Preprocessing(
    image_size=8, channels=3, crop="center", resize=9, interpolation="bilinear",
    mean=(0.5,) * 3, std=(0.25,) * 3, classes=("cat", "dog"),
)  # fmt: skip

Values = dict[str, Any]


def blocks() -> list[tuple[str, int, str]]:
    """(page, number in the page, code) of every block."""
    return [
        (page.name, number, code)
        for page in PAGES
        for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.S))
    ]


def searched(*arguments: Any, **settings: Any) -> SimpleNamespace:
    """In the place of a search of hours: its arguments are looked at, its result has the fields."""
    told = inspect.signature(se_nas.run_search).bind(*arguments, **settings).arguments
    assert load_space(told["space"]).size > 1
    if "train" in told.get("settings", {}) or "train" in told:
        resources = SimpleNamespace(
            data=load("digits", limit_train=40), device=torch.device("cpu"), epochs=1, seed=0
        )
        told_metrics: list[Values] = []
        train = told["train"]
        model = train(Architecture("resnet8_small"), lambda **m: told_metrics.append(m), resources)
        assert isinstance(model, torch.nn.Module)
        assert set(told_metrics[0]) == {"val_acc", "val_loss"}
    fields = {name for name, _ in inspect.getmembers(se_nas.SearchResult)}
    fields |= set(se_nas.SearchResult.__dataclass_fields__)
    assert {"winner", "verdict", "advice", "finals", "effects", "trials", "run", "model"} <= fields
    return SimpleNamespace(
        winner="",
        verdict="",
        advice=[],
        finals=[],
        effects=[],
        trials=[],
        run="",
        model=lambda: None,
    )


def nothing() -> Values:
    return {}


def search_of_python() -> Values:
    labels = torch.arange(40) % 2
    images = TensorDataset(torch.rand(40, 3, 8, 8), labels)
    fake = SimpleNamespace(**{name: getattr(se_nas, name) for name in se_nas.__all__})
    fake.run_search = searched
    return {"se_nas": fake, "train": images, "test_set": images, "torch": torch}


def own_space() -> Values:
    space = load_space("digits_se")
    study = optuna.create_study()
    return {
        "space": space, "Space": Space, "optuna": optuna, "architecture": space.sample(1),
        "trial": study.ask(), "cost": cost(space.sample(1), input_size=8),
    }  # fmt: skip


def own_study() -> Values:
    return own_space() | {"cost": cost, "train": lambda architecture: 0.5}


def trained_file() -> Values:
    model = se_nas.materialize("resnet8_small", num_classes=2)
    se_nas.save(model, "winner.safetensors", TOLD)
    se_nas.export_onnx(se_nas.load("winner.safetensors"), "model.onnx")
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save("cat.jpg")
    return {}


def torchvisions() -> Values:
    def resnet50(weights: str) -> torch.nn.Module:
        assert weights == "DEFAULT"  # nothing is fetched here: fresh weights in its place
        return torchvision.models.resnet50()

    fake = SimpleNamespace(models=SimpleNamespace(resnet50=resnet50))
    return {"torchvision": fake, "se_nas": se_nas}


def classifier() -> Values:
    se_nas.save(se_nas.materialize("se_resnet50_r16"), "classifier.safetensors")
    return {"se_nas": se_nas}


def in_and_out() -> Values:
    model = se_nas.materialize("se_resnet18_r16")
    return {"se_nas": se_nas, "model": model, "your_resnet": torchvision.models.resnet18()}


def timms_weights() -> Values:
    import timm
    from safetensors.torch import save_file

    save_file(timm.create_model("seresnet50").state_dict(), "seresnet50.safetensors")
    return {"your_resnet": torchvision.models.resnet18()}


def a_family() -> Values:
    family = se_nas.trunks.families()["mobilenet_v1"]
    tiny = Architecture.parse("mobilenet_v1-width0.25-depths1.1.2.1.1-stem.small").trunk
    return {"FAMILY": family, "PlainNet": lambda width: tiny}


def a_resnet() -> Values:
    return {"se_nas": se_nas, "SE": se_nas.SE, "model": torchvision.models.resnet18()}


# What a reader has before each block, by page and number.
GIVEN: dict[tuple[str, int], Callable[[], Values]] = {
    ("README.md", 0): search_of_python,
    ("README.md", 1): timms_weights,
    ("deployment.md", 0): timms_weights,
    ("deployment.md", 1): in_and_out,
    ("deployment.md", 2): torchvisions,
    ("deployment.md", 3): trained_file,
    ("deployment.md", 4): trained_file,
    ("deployment.md", 5): nothing,
    ("deployment.md", 6): classifier,
    ("deployment.md", 8): a_resnet,
    ("extending.md", 0): a_family,
    ("models.md", 0): nothing,
    ("models.md", 1): a_family,
    ("python.md", 0): search_of_python,
    ("python.md", 1): search_of_python,
    ("python.md", 2): search_of_python,
    ("se_bench.md", 0): nothing,
    ("spaces.md", 0): nothing,
    ("spaces.md", 1): own_space,
    ("spaces.md", 2): own_study,
    ("spaces.md", 3): own_space,
    ("training.md", 0): nothing,
}
# COCO itself: its blocks' calls are those of tests/test_coco.py.
ELSEWHERE = {("deployment.md", 7)}


def test_every_block_is_known() -> None:
    assert {(page, number) for page, number, _ in blocks()} == set(GIVEN) | ELSEWHERE


@pytest.mark.parametrize(
    ("page", "number", "code"),
    [each for each in blocks() if each[:2] not in ELSEWHERE],
    ids=lambda value: str(value) if isinstance(value, int) or str(value).endswith(".md") else "",
)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_block_runs(page: str, number: int, code: str, tmp_path: Path) -> None:
    before = os.getcwd()
    os.chdir(tmp_path)
    try:
        values = {"__name__": "__main__"} | GIVEN[page, number]()
        if "se_nas" in values and "import se_nas\n" in code:
            code = code.replace("import se_nas\n", "", 1)  # the one that is given stands for it
        exec(compile(code, f"{page}, block {number}", "exec"), values)
        for name, value in list(values.items()):
            if name in ("objective", "point"):
                study = optuna.create_study()
                with_trial = value(study.ask())
                assert with_trial is not None
            if name == "test_the_family":
                value()
    finally:
        os.chdir(before)


def test_the_datas_kind() -> None:
    assert isinstance(load("digits", limit_train=40), Data)
