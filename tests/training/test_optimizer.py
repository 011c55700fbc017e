"""The optimizer of a recipe: learning rates and precision."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from se_nas.training.optimizer import amp_dtype, learning_rate, make_optimizer
from se_nas.training.recipes import Recipe


def test_learning_rate_warms_up_to_its_highest_and_falls_to_0() -> None:
    recipe = Recipe(learning_rate=0.4, warmup_epochs=2)
    rates = [learning_rate(recipe, e, 10) for e in range(11)]
    assert rates[:3] == [0, 0.2, 0.4]
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[6] == pytest.approx(0.2)
    assert rates[10] == pytest.approx(0)
    assert learning_rate(recipe, 1, 2) == 0.4, "a warm-up has at most half of the budget"


def test_every_parameter_has_one_group() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    for name in ("sgd", "adamw"):
        optimizer = make_optimizer(model, replace(Recipe(), optimizer=name))  # type: ignore[arg-type]
        found = [id(p) for group in optimizer.param_groups for p in group["params"]]
        assert sorted(found) == sorted(map(id, model.parameters()))
        assert [group["weight_decay"] for group in optimizer.param_groups][1] == 0


def test_cpus_train_in_float32() -> None:
    assert amp_dtype(Recipe(), torch.device("cpu")) is None
