"""The optimizer of a recipe: learning rates and precision."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from se_nas.training.optimizer import amp_dtype, learning_rate, make_optimizer, plateaus
from se_nas.training.recipe import Recipe
from se_nas.training.recipes import RECIPES


def test_learning_rate_warms_up_to_its_highest_and_falls_to_0() -> None:
    recipe = Recipe(learning_rate=0.4, warmup_epochs=2)
    rates = [learning_rate(recipe, e, 10) for e in range(11)]
    assert rates[:3] == [0, 0.2, 0.4]
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[6] == pytest.approx(0.2)
    assert rates[10] == pytest.approx(0)
    assert learning_rate(recipe, 1, 2) == 0.4, "a warm-up has at most half of the budget"


@pytest.mark.parametrize(
    ("name", "epochs", "corners"),
    [
        # after so many epochs: the rate of the step that ends there, and of the next one
        ("senet", 100, {1: (0.6, 0.6), 30: (0.6, 0.06), 60: (0.06, 0.006), 90: (6e-3, 6e-4)}),
        ("senet", 10, {3: (0.6, 0.06), 6: (0.06, 0.006), 9: (0.006, 0.0006)}),
        ("senet_ablation", 270, {125: (0.1, 0.01), 200: (0.01, 1e-3), 250: (1e-3, 1e-4)}),
        ("cifar_resnet", 164, {1: (0.1, 0.1), 81: (0.1, 0.01), 122: (0.01, 0.001)}),
        ("cifar_wrn", 200, {60: (0.1, 0.02), 120: (0.02, 0.004), 160: (0.004, 0.0008)}),
        ("cifar_shake_shake", 1800, {900: (0.1, 0.1), 600: (0.15, 0.15), 1200: (0.05, 0.05)}),
        ("cifar_shake_even", 1800, {900: (0.0125, 0.0125)}),
    ],
)
def test_rates_at_the_corners_are_those_worked_out_by_hand(
    name: str, epochs: int, corners: dict[int, tuple[float, float]]
) -> None:
    for epoch, (before, after) in corners.items():
        for step, wanted in ((0, before), (1, after)):
            rate = learning_rate(RECIPES[name], epoch + step / 5000, epochs)
            assert rate == pytest.approx(wanted, rel=2e-3), (epoch, step)


def test_a_plateau_divides_the_rate_of_the_mobile_runs() -> None:
    recipe = RECIPES["mobile"]
    rates = [learning_rate(recipe, 50, 400, drops) for drops in range(4)]
    assert rates == pytest.approx([0.1, 0.01, 0.001, 0.0001])
    falling = [1 / (i + 1) for i in range(30)]
    assert plateaus(falling, recipe.patience) == 0
    assert plateaus([*falling, *[1.0] * 9], recipe.patience) == 0
    assert plateaus([*falling, *[1.0] * 10], recipe.patience) == 1
    assert plateaus([*falling, *[1.0] * 25], recipe.patience) == 2


def test_every_parameter_has_one_group() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    for name in ("sgd", "adamw", "lamb"):
        optimizer = make_optimizer(model, replace(Recipe(), optimizer=name))  # type: ignore[arg-type]
        found = [id(p) for group in optimizer.param_groups for p in group["params"]]
        assert sorted(found) == sorted(map(id, model.parameters()))
        assert [group["weight_decay"] for group in optimizer.param_groups][1] == 0


def test_cpus_train_in_float32() -> None:
    assert amp_dtype(Recipe(), torch.device("cpu")) is None
