"""Files of settings: what is written is read back, and what cannot be read is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from se_nas import InputError
from se_nas.latency.settings import PRECISIONS, LatencySettings
from se_nas.search.config import SAMPLERS, DataSettings, SearchConfig, config_from_options
from se_nas.search.config_file import PARSERS, read_settings, to_toml
from se_nas.training.recipe import Recipe
from se_nas.training.recipes import RECIPES

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
PATHS = TEXTS.map(lambda text: f"/data/x{text}y")
WHOLE = st.integers(1, 10**12)
SHARES = st.floats(0, 1, exclude_min=True)


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


RECIPE = st.builds(
    Recipe,
    learning_rate=st.floats(1e-300, 1e300),
    batch_size=st.integers(2, 10**6),
    label_smoothing=st.sampled_from([0.0, 0.1]),
    amp=st.sampled_from(["auto", "off"]),
)
CONFIGS = st.builds(
    SearchConfig,
    space=optional(st.sampled_from(["mobile_se", "/spaces/my.py"])),
    data=st.builds(
        DataSettings,
        name=TEXTS,
        data_dir=optional(st.sampled_from(["/data", "/data/größe", '/a"b\\c', "/new\nline\x7f"])),
        image_size=optional(WHOLE),
    ),
    recipe=st.sampled_from([*RECIPES.values()]) | RECIPE,
    trials=WHOLE,
    first_rung=SHARES,
    gpus=optional(st.integers(0, 99)),
    cpus_per_trial=optional(st.floats(1e-9, 1e9)),
    sampler=st.sampled_from(SAMPLERS),
    enqueue=st.lists(TEXTS).map(tuple),
    storage=optional(PATHS.filter(lambda text: "***" not in text and "@" not in text)),
    out=TEXTS,
    dashboard=st.booleans(),
    latency=st.builds(
        LatencySettings,
        batch=st.integers(1, 2**20),
        precision=st.sampled_from(PRECISIONS),
        channels_last=st.booleans(),
    ),
)


@given(CONFIGS)
def test_what_is_written_is_read_back(config: SearchConfig) -> None:
    values = PARSERS[".toml"](to_toml(config))
    assert config_from_options(values) == config


def test_an_option_wins_over_the_file_of_a_run() -> None:
    values = PARSERS[".toml"](to_toml(SearchConfig(recipe=RECIPES["search"])))
    assert config_from_options(values | {"recipe": "senet"}).recipe == RECIPES["senet"]
    own = PARSERS[".toml"](to_toml(SearchConfig(recipe=Recipe(batch_size=7))))
    assert config_from_options(own | {"recipe": "adamw"}).recipe.batch_size == 7


def test_the_files_of_both_kinds_are_read(tmp_path: Path) -> None:
    toml, yaml = tmp_path / "run.toml", tmp_path / "run.YML"
    toml.write_text(
        'space = "mobile_se"\ntrials = 3 # few\nenqueue = ["resnet18"]\nlearning_rate = 1e-3\n'
        'recipe = { optimizer = "adamw" }'
    )
    yaml.write_text(
        "space: mobile_se\ntrials: 3 # few\nenqueue:\n  - resnet18\nlearning_rate: 1e-3\n"
        "recipe:\n  optimizer: adamw\ngpus:\n"
    )
    expected = {
        "space": "mobile_se",
        "trials": 3,
        "enqueue": ["resnet18"],
        "learning_rate": 0.001,
        "recipe": {"optimizer": "adamw"},
    }
    assert read_settings(str(toml)) == expected
    assert read_settings(str(yaml)) == expected | {"gpus": None}
    assert config_from_options(expected).recipe == Recipe(optimizer="adamw", learning_rate=0.001)
    for file in (toml, yaml):
        file.write_text("# nothing\n")
        assert read_settings(str(file)) == {}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("run.ini", "", "give a file of settings, .toml, .yaml, .yml"),
        ("run", "", "give a file of settings"),
        ("run.toml", "trials 3", "line 1"),
        ("run.toml", "trials = 3\ntrials = 4", "overwrite a value"),
        ("run.toml", 'out = "\\ud800"', "run.toml"),
        ("run.toml", "trails = 3", "unknown setting 'trails'; did you mean 'trials'?"),
        ("run.toml", "[latency]\nbatch = 3", "unknown setting 'latency'; did you mean 'latency_"),
        ("run.toml", "trials = 3.5", "trials is 3.5; give a whole number"),
        ("run.toml", "name = 2024-01-01", "give a text"),
        ("run.toml", "recipe = 'serach'", "did you mean 'search'?"),
        ("run.yaml", "trials: [3", "line 1"),
        ("run.yaml", "trials:\n\t- 3", "line 2"),
        ("run.yaml", "- trials", "it holds no settings by name"),
        ("run.yaml", "3: 4", "unknown setting 3"),
        ("run.yaml", "? [a]\n: 4", "unhashable"),
        ("run.yaml", "!!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("run.yaml", "[" * 5000, "run.yaml"),
    ],
)
def test_a_file_of_something_else_is_one_line(
    name: str, text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        read_settings(str(tmp_path / name))
    assert message in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "latin.toml").write_bytes(b'out = "gr\xf6\xdfe"')
    for name, message in (
        ("none.toml", "No such file"),
        ("folder.toml", "Is a directory"),
        ("latin.toml", "utf-8"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            read_settings(str(tmp_path / name))
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_password_is_not_written_and_is_asked_for_again() -> None:
    config = SearchConfig(storage="postgresql://me:secret@host/db")
    text = to_toml(config)
    assert "secret" not in text
    values = PARSERS[".toml"](text)
    with pytest.raises(InputError, match=r"storage is .*give `storage` with it"):
        config_from_options(values)
    assert config_from_options(values | {"storage": config.storage}) == config


def test_a_path_that_is_no_text_does_not_end_a_run(tmp_path: Path) -> None:
    from se_nas import SE, Space, choice, trunk
    from se_nas.search.run_dir import new_run

    space = Space("s", trunk=trunk("resnet8_small"), se=SE(choice(2, 4)))
    config = SearchConfig(out=str(tmp_path), data=DataSettings(data_dir="/\udcff"), name="run")
    run = new_run.create(space, config)
    assert SearchConfig.from_dict(run.read("settings.json")) == config
    with pytest.raises(InputError, match=r"run\.toml"):
        read_settings(str(run.path / "run.toml"))
