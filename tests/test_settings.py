"""Settings as fields: their table, their values by name, and what is refused."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from se_nas import InputError
from se_nas.cli.options import options
from se_nas.search.config import SearchConfig, config_from_options
from se_nas.search.config_file import read_settings, to_toml
from se_nas.settings import PANELS, by_option, group, setting, settings_of, with_options
from se_nas.training.recipes import RECIPES


@dataclass(frozen=True)
class Warmth:
    degrees: float = setting(20.0, "Of the room.", "training")
    hidden: int = 3


@dataclass(frozen=True)
class WithMore(SearchConfig):
    patience: int | None = setting(None, "Epochs to wait.", "training", "may change")
    warmth: Warmth = group(Warmth(), prefix="warmth_")
    inner: int = field(default=1)


def test_a_setting_is_added_at_its_field_alone(tmp_path: Path) -> None:
    config = config_from_options({"patience": 4, "warmth_degrees": 18}, WithMore())
    assert config == WithMore(patience=4, warmth=Warmth(18.0))
    assert by_option(config) == by_option(SearchConfig()) | {"patience": 4, "warmth_degrees": 18.0}
    assert settings_of(WithMore)["patience"].on_resume == "may change"
    parameters = {parameter.name: parameter for parameter in options(WithMore)}
    assert set(parameters) - {p.name for p in options(SearchConfig)} == {
        "patience",
        "warmth_degrees",
    }
    assert parameters["warmth_degrees"].default == 20.0
    assert inspect.signature(WithMore).parameters["patience"].default is None
    file = tmp_path / "run.toml"
    file.write_text(to_toml(config))
    assert "patience = 4\n" in file.read_text()
    assert config_from_options(read_settings(str(file), WithMore), WithMore()) == config


def test_every_setting_has_a_help_and_a_panel() -> None:
    table = settings_of(SearchConfig)
    assert {setting.panel for setting in table.values()} == set(PANELS)
    for name, each in table.items():
        assert each.help.endswith("."), name
        assert each.help[0].isupper() or name in ("data", "sampler"), name


def test_the_defaults_are_those_of_the_fields() -> None:
    defaults = {name: each.default for name, each in settings_of(SearchConfig).items()}
    of_recipe = {"batch_size": 64, "learning_rate": 0.1, "balanced": False}
    assert defaults | of_recipe == by_option(SearchConfig())
    assert [defaults[name] for name in of_recipe] == [None] * 3
    assert config_from_options(defaults) == SearchConfig()


def test_a_group_has_the_defaults_of_the_field_that_holds_it() -> None:
    @dataclass(frozen=True)
    class Cold:
        warmth: Warmth = group(Warmth(degrees=5.0))

    # The hints of a local class are read where its module is.
    Cold.__annotations__["warmth"] = Warmth
    assert settings_of(Cold)["degrees"].default == 5.0


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("trials", np.int64(7), 7),
        ("first_rung", np.float32(0.5), 0.5),
        ("first_rung", 1, 1.0),
        ("dashboard", np.bool_(False), False),
        ("gpus", None, None),
        ("enqueue", ["resnet18"], ("resnet18",)),
        ("out", Path("here"), "here"),
    ],
)
def test_values_become_those_of_the_field(name: str, given: Any, read: Any) -> None:
    config = with_options(SearchConfig(), {name: given})
    value = getattr(config, name)
    assert value == read
    assert type(value) is type(read)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trails": 3}, "unknown setting 'trails'; did you mean 'trials'? allowed: space, "),
        ({"latency": {"batch": 1}}, "unknown setting 'latency'; did you mean 'latency_"),
        ({3: 4}, "unknown setting 3; allowed: space"),
        ({"trials": "ten"}, "trials is 'ten'; give a whole number"),
        ({"trials": 2.0}, "trials is 2.0; give a whole number"),
        ({"trials": True}, "trials is True; give a whole number"),
        ({"trials": None}, "trials is None; give a whole number"),
        ({"trials": np.arange(2)}, "trials is array([0, 1]); give a whole number"),
        ({"first_rung": "half"}, "first_rung is 'half'; give a number"),
        ({"first_rung": 10**400}, "give a number"),
        ({"dashboard": 1}, "dashboard is 1; give true or false"),
        ({"out": 5}, "out is 5; give a text"),
        ({"out": b"runs"}, "out is b'runs'; give a text"),
        ({"enqueue": "resnet18"}, "enqueue is 'resnet18'; give a list of texts"),
        ({"enqueue": [1]}, "enqueue is [1]; give a list of texts"),
        ({"batch_size": "64"}, "batch_size is '64'; give a whole number"),
        ({"batch_size": 1}, "batch_size of a recipe is 1"),
        ({"latency_batch": 0}, "latency batch is 0"),
        ({"recipe": "serach"}, "unknown recipe 'serach'; did you mean 'search'?"),
        ({"recipe": ["search"]}, "unknown recipe ['search']"),
        ({"recipe": {"rate": 3}}, "unknown field of a recipe 'rate'"),
        ({"trials": 0}, "trials is 0; give a whole number of at least 1"),
    ],
)
def test_what_is_no_setting_is_one_line(values: dict[Any, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        config_from_options(values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recipe_is_a_name_or_its_fields_and_its_settings_win_over_it() -> None:
    named = config_from_options({"batch_size": 7, "recipe": "adamw", "learning_rate": None})
    assert named.recipe == replace(RECIPES["adamw"], batch_size=7)
    assert by_option(named)["recipe"] == "adamw"
    assert with_options(named, {"batch_size": 8}).recipe == replace(RECIPES["adamw"], batch_size=8)
    own = replace(RECIPES["search"], momentum=0.8, batch_size=9)
    config = config_from_options({"recipe": own})
    assert config.recipe == own
    values = by_option(config)
    assert values["recipe"]["momentum"] == 0.8
    assert "batch_size" not in values["recipe"]
    assert config_from_options(values) == config


def test_every_recipe_is_found_by_its_name() -> None:
    for name, recipe in RECIPES.items():
        assert by_option(SearchConfig(recipe=recipe))["recipe"] == name
