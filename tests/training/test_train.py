"""Training: it learns, it is the same run again, and it says when it breaks."""

from __future__ import annotations

import io
import json
import math
import pickle
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from se_nas.data import Data, RamImages, from_datasets, load
from se_nas.errors import InputError
from se_nas.nn.squeeze_excitation import SqueezeExcitation
from se_nas.training.epoch import NonFiniteLoss
from se_nas.training.recipe import Recipe
from se_nas.training.recipes import RECIPES
from se_nas.training.train import Training

SMALL = "se_resnet18-depths1.1-width16-stem.small_r4"
RECIPE = Recipe(batch_size=64)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits")


@pytest.fixture(scope="module")
def few() -> Data:
    """200 digits to train on, augmented, so that resuming must get that right too."""
    data = load("digits", limit_train=200)
    assert isinstance(data.train, RamImages)
    train = replace(data.train, padding=1)
    return replace(data, train=train.prepared(train.statistics(), augment=True))


def training(data: Data, recipe: Recipe = RECIPE, **options: Any) -> Training:
    return Training(SMALL, data, recipe, **{"epochs": 4, "device": "cpu", **options})


def same_tensors(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(x.equal(y) for x, y in pairs)


def test_batch_norms_are_frozen_at_the_end_and_the_rest_is_not(few: Data) -> None:
    run = training(few, replace(RECIPE, frozen_norm_epochs=1), epochs=3)

    def after_an_epoch() -> tuple[bool, bool]:
        before = {key: value.clone() for key, value in run.model.state_dict().items()}
        run.epoch()
        moved = {k for k, value in run.model.state_dict().items() if not value.equal(before[k])}
        norms = {key for key in before if ".bn" in f".{key}"}
        assert norms
        return bool(moved & norms), "stage3.0.conv1.weight" in moved

    assert [after_an_epoch() for _ in range(3)] == [(True, True), (True, True), (False, True)]
    # At most half of the budget: a network whose norms never saw an image would learn nothing.
    short = training(few, replace(RECIPE, frozen_norm_epochs=9), epochs=2)
    mean = short.model.get_buffer("bn1.running_mean").clone()
    short.epoch()
    assert not mean.equal(short.model.get_buffer("bn1.running_mean"))


@pytest.mark.parametrize("recipe", [RECIPE, replace(RECIPES["adamw"], batch_size=64)])
def test_it_learns_digits(digits: Data, recipe: Recipe) -> None:
    run = training(digits, recipe, epochs=8)
    metrics = [run.epoch() for _ in range(8)]
    assert metrics[-1].val_acc > 0.9
    assert metrics[-1].train_loss < 0.5 < metrics[0].train_loss
    test = run.test()
    assert test.accuracy > 0.9
    assert test.images == len(digits.test)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_two_epochs_saved_and_two_more_are_four(few: Data, optimizer: Any) -> None:
    recipe = replace(RECIPE, optimizer=optimizer, learning_rate=0.01)
    straight = training(few, recipe, seed=5)
    expected = [straight.epoch() for _ in range(4)]

    first = training(few, recipe, seed=5)
    before = [first.epoch() for _ in range(2)]
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    torch.manual_seed(999)
    second = training(few, recipe, seed=5)
    second.load_state_dict(torch.load(file, weights_only=True))
    after = [second.epoch() for _ in range(2)]

    assert same_tensors(straight.model, second.model)
    assert not same_tensors(first.model, second.model)
    for a, b in zip(expected, before + after, strict=True):
        assert replace(a, seconds=0) == replace(b, seconds=0)
    assert second.finished


MORE: dict[str, dict[str, Any]] = {
    "rand_augment": {"rand_augment": 9},
    "cutout": {"cutout": 4},
    "erasing": {"erasing": 0.5},
    "mixup": {"mixup": 0.2},
    "cutmix and binary": {"mixup": 0.2, "cutmix": 1.0, "loss": "binary", "label_smoothing": 0.1},
    "ema": {"ema": 0.9},
    "plateau": {"schedule": "plateau", "patience": 1},
    "lamb": {"optimizer": "lamb", "learning_rate": 5e-3},
}


@pytest.mark.parametrize("more", MORE.values(), ids=MORE)
def test_what_a_recipe_has_more_goes_on_as_it_was(few: Data, more: dict[str, Any]) -> None:
    recipe = replace(RECIPE, **more)
    straight = training(few, recipe)
    for _ in range(4):
        straight.epoch()
    cut = training(few, recipe)
    for _ in range(2):
        cut.epoch()
    file = io.BytesIO()
    torch.save(cut.state_dict(), file)
    again = training(few, recipe)
    again.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    last = [again.epoch() for _ in range(2)][-1]
    assert same_tensors(again.result, straight.result)
    assert not same_tensors(again.result, training(few).result)
    assert math.isfinite(last.train_loss)


FIRST = "conv1.weight"


def test_a_moving_average_is_what_is_kept(few: Data) -> None:
    run = training(few, replace(RECIPE, ema=0.5), epochs=1)
    kept = []
    step = run._step

    def noted(*batch: Any) -> Tensor:
        loss = step(*batch)
        kept.append(run.model.state_dict()[FIRST].clone())
        return loss

    run._step = noted  # type: ignore[method-assign]
    run.epoch()
    average = kept[0]
    for n, weights in enumerate(kept[1:], start=1):
        share = min(0.5, (1 + n) / (10 + n))
        average = share * average + (1 - share) * weights
    assert torch.allclose(run.weights()[FIRST], average, atol=1e-6)
    assert not torch.allclose(run.model.state_dict()[FIRST], average, atol=1e-6)


def test_a_state_without_newer_settings_is_still_its_own(few: Data) -> None:
    run = training(few)
    run.epoch()
    state = run.state_dict()
    for newer in ("loss", "patience", "rand_augment", "mixup", "ema"):
        del state["recipe"][newer]
    del state["val_losses"], state["average"]
    again = training(few)
    again.load_state_dict(state)
    assert again.epochs_done == 1


def test_images_of_ones_own_are_not_augmented_by_a_recipe() -> None:
    pairs = [(torch.zeros(1, 8, 8), i % 2) for i in range(20)]
    data = from_datasets(pairs, pairs, pairs)
    with pytest.raises(InputError, match=r"a data set of your own.*rand_augment, cutout"):
        training(data, replace(RECIPE, cutout=4))


def test_the_seed_makes_the_weights_and_the_batches(few: Data) -> None:
    torch.manual_seed(1)
    one = training(few, seed=1)
    torch.manual_seed(2)
    same, other = training(few, seed=1), training(few, seed=2)
    assert same_tensors(one.model, same.model)
    assert not same_tensors(one.model, other.model)
    assert one.epoch().train_loss == same.epoch().train_loss


def test_augmentation_is_new_in_every_epoch(few: Data) -> None:
    drawn: list[Tensor] = []

    def note(images_nchw: Tensor) -> Tensor:
        drawn.append(torch.rand(4))
        return images_nchw.float()

    assert isinstance(few.train, RamImages)
    run = training(replace(few, train=replace(few.train, transform=note)))
    run.epoch()
    first = len(drawn)
    run.epoch()
    assert not drawn[0].equal(drawn[first])


def test_the_global_generator_is_left_alone(few: Data) -> None:
    torch.manual_seed(7)
    state = torch.get_rng_state()
    run = training(few)
    run.epoch()
    run.test()
    assert torch.get_rng_state().equal(state)


@pytest.mark.parametrize(
    ("option", "value"),
    [("seed", 1), ("epochs", 5), ("recipe", Recipe(batch_size=32)), ("data", None)],
)
def test_a_state_of_another_run_is_refused(few: Data, option: str, value: Any) -> None:
    state = training(few).state_dict()
    other = load("digits", limit_train=100) if option == "data" else few
    options = {} if option == "data" else {option: value}
    with pytest.raises(InputError, match=rf"^{option}(\.\w+)? of the saved run is .*, of this run"):
        training(other, **options).load_state_dict(state)


def test_a_loss_that_is_not_finite_is_raised_with_its_epoch(few: Data) -> None:
    run = training(few)
    run.epoch()
    with torch.no_grad():
        run.model.get_parameter("fc.weight").fill_(math.nan)
    with pytest.raises(NonFiniteLoss, match=r"training loss is not finite in epoch 2") as caught:
        run.epoch()
    assert caught.value.epoch == 2
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.epoch, str(again)) == (2, str(caught.value))


def test_a_validation_loss_that_is_not_finite_is_raised(few: Data) -> None:
    def nan(images_nchw: Tensor) -> Tensor:
        return images_nchw.float() * math.nan

    assert isinstance(few.val, RamImages)
    run = training(replace(few, val=replace(few.val, transform=nan)))
    with pytest.raises(NonFiniteLoss, match=r"validation loss is not finite in epoch 1"):
        run.epoch()


def test_the_budget_is_an_end(few: Data) -> None:
    run = training(few, epochs=1)
    assert not run.finished
    metrics = run.epoch()
    assert run.finished
    assert metrics.learning_rate == pytest.approx(0, abs=1e-12)
    assert json.loads(json.dumps(asdict(metrics)))["epoch"] == 1
    with pytest.raises(RuntimeError, match="all 1 epochs are done"):
        run.epoch()


def test_weight_decay_spares_one_dimensional_parameters(few: Data) -> None:
    run = training(few)
    decayed, spared = run.optimizer.param_groups
    assert (decayed["momentum"], decayed["nesterov"]) == (RECIPE.momentum, True)
    assert (decayed["weight_decay"], spared["weight_decay"]) == (RECIPE.weight_decay, 0)
    assert {p.ndim for p in decayed["params"]} == {2, 4}
    assert {p.ndim for p in spared["params"]} == {1}
    counted = sum(p.numel() for group in (decayed, spared) for p in group["params"])
    assert counted == sum(p.numel() for p in run.model.parameters())


@pytest.mark.parametrize(("se_init", "identity"), [("identity", True), ("standard", False)])
def test_se_init(few: Data, se_init: Any, identity: bool) -> None:
    run = training(few, replace(RECIPE, se_init=se_init))
    blocks = [m for m in run.model.modules() if isinstance(m, SqueezeExcitation)]
    assert blocks
    assert all((not block.fc2.weight.any()) == identity for block in blocks)


def test_a_last_batch_of_one_image_does_not_break_batch_norm(few: Data) -> None:
    assert isinstance(few.train, RamImages)
    data = replace(few, train=few.train.select(torch.arange(65)))
    assert math.isfinite(training(data, epochs=1).epoch().train_loss)


def test_image_files_are_trained_on(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(6):
                image = random.integers(0, 256, (16, 16, 3)).astype(np.uint8)
                Image.fromarray(image).save(tmp_path / part / name / f"{i}.png")
    data = load("imagefolder", tmp_path, image_size=16, val_images=4)
    run = training(data, epochs=1, workers=0)
    assert math.isfinite(run.epoch().val_loss)
    assert run.test().images == 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, r"epochs is 0; give a whole number of at least 1"),
        ({"epochs": 1.5}, r"epochs is 1.5"),
        ({"seed": -1}, r"seed is -1; give a whole number of at least 0"),
    ],
)
def test_bad_options(few: Data, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        training(few, **options)
