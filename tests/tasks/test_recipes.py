"""Every recipe, for a few steps, on data in the form of CIFAR, ImageNet and Places365."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_data import write_cifar, write_folder, write_places
from torchvision import datasets

from se_nas.data_settings import DataSettings
from se_nas.tasks.train import train
from se_nas.tasks.train_config import TrainConfig
from se_nas.training.recipes import RECIPES


def form(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> DataSettings:
    if name == "cifar10":
        write_cifar(root, monkeypatch, datasets.CIFAR10, 10, train=20)
        return DataSettings(name, str(root), val_images=20)
    if name == "places365":
        write_places(root, monkeypatch, small=True)
        return DataSettings(name, str(root), 32, val_images=3)
    write_folder(root, parts=("train", "val"))
    return DataSettings(name, str(root), 32, val_images=4)


@pytest.mark.parametrize("name", ["cifar10", "imagefolder", "places365"])
def test_every_recipe_trains_through_the_real_readers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = form(name, tmp_path / "images", monkeypatch)
    for recipe in RECIPES.values():
        config = TrainConfig("se_resnet8_small_r8", data, recipe, epochs=2, device="cpu", threads=1)
        [run] = train(config, tmp_path / f"run-{id(recipe)}").runs
        assert run.end == "complete"
        assert len(run.curve) == 2
        assert run.test_acc is not None
        assert 0 <= run.test_acc <= 1
