"""Recipes: values, their names and their JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from se_nas.errors import InputError
from se_nas.training.recipe import Recipe, scaled
from se_nas.training.recipes import RECIPES, SOURCES


@pytest.mark.parametrize("name", RECIPES)
def test_named_recipes_survive_json_and_have_a_source(name: str) -> None:
    assert Recipe.from_dict(json.loads(json.dumps(asdict(RECIPES[name])))) == RECIPES[name]
    assert SOURCES[name]


def test_names_and_sources_agree() -> None:
    assert list(RECIPES) == list(SOURCES)
    assert len(set(RECIPES.values())) == len(RECIPES)


def test_senet154_is_trained_as_its_appendix_says() -> None:
    """(e) label smoothing, (f) frozen batch norms at the end, (g) batches of 2048, a rate of 1."""
    recipe = RECIPES["senet154"]
    assert recipe.label_smoothing == 0.1
    assert recipe.frozen_norm_epochs > 0
    assert (recipe.batch_size, recipe.learning_rate) == (2048, 1.0)
    assert RECIPES["senet"].frozen_norm_epochs == RECIPES["senet"].label_smoothing == 0


def test_search_does_not_start_with_a_bias_against_se() -> None:
    assert RECIPES["search"].se_init == "identity"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("optimizer", "sdg", r"unknown optimizer of a recipe 'sdg'; did you mean 'sgd'\?"),
        ("schedule", "step", r"unknown schedule .*allowed: cosine"),
        ("se_init", "zero", r"unknown se_init .*allowed: identity, standard"),
        ("amp", True, r"unknown amp .*allowed: auto, off"),
        ("learning_rate", 0, r"learning_rate of a recipe is 0.0; give a number above 0"),
        ("learning_rate", float("nan"), r"learning_rate of a recipe is nan"),
        ("learning_rate", "0.1", r"learning_rate is '0.1'; give a number"),
        ("momentum", 1, r"momentum of a recipe is 1; give a number between 0 and 1"),
        ("weight_decay", -1e-4, r"weight_decay .* is -0.0001; give 0 or a positive number"),
        ("batch_size", 1, r"batch_size .* is 1; give a whole number of at least 2"),
        ("batch_size", 64.0, r"batch_size .* is 64.0; give a whole number"),
        ("label_smoothing", 1.0, r"label_smoothing .* is 1.0; give a number of at least 0"),
        ("frozen_norm_epochs", 0.5, r"frozen_norm_epochs .* is 0.5; give a whole number"),
        ("frozen_norm_epochs", -1, r"frozen_norm_epochs .* is -1"),
        ("warmup_epochs", True, r"warmup_epochs .* is True"),
        ("loss", "bce", r"unknown loss of a recipe 'bce'"),
        ("patience", 0, r"patience .* is 0; give a whole number of at least 1"),
        ("rand_augment", 31, r"rand_augment .* is 31; give a whole number"),
        ("cutout", -1, r"cutout .* is -1"),
        ("erasing", 1.5, r"erasing .* is 1.5; give a share from 0 to 1"),
        ("mixup", -0.1, r"mixup .* is -0.1"),
        ("ema", 1.0, r"ema .* is 1.0; give a number of at least 0 and below 1"),
        ("batchsize", 64, r"unknown field of a recipe 'batchsize'; did you mean 'batch_size'\?"),
    ],
)
def test_bad_settings(field: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Recipe.from_dict({field: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "batch_size", "rate"), [("senet", 256, 0.15), ("rsb_a2", 512, 0.0025)]
)
def test_a_smaller_batch_has_a_lower_rate(name: str, batch_size: int, rate: float) -> None:
    found = scaled(RECIPES[name], batch_size)
    assert (found.batch_size, found.learning_rate) == (batch_size, pytest.approx(rate))
    assert scaled(found, RECIPES[name].batch_size) == RECIPES[name]
