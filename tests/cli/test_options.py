"""Options are made from settings; files of settings, and which of the two wins."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

from se_nas.cli import main
from se_nas.cli.search import search
from se_nas.cli.usage import as_options
from se_nas.data import DATASETS
from se_nas.search.config import SearchConfig
from se_nas.settings import PANELS, settings_of

OWN = {"as_json", "context", "config", "resume", "join", "dry_run", "version"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the command asks of the search."""
    found: list[Any] = []
    import se_nas.search

    monkeypatch.setattr(se_nas.search, "search", lambda *given: found.append(given))
    monkeypatch.setattr(se_nas.search, "resume", lambda *given: found.append(given))
    monkeypatch.setattr(se_nas.search, "join", lambda *given: found.append(given))
    return found


def command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["search", *arguments])
    return int(stop.value.code or 0)


def test_every_setting_is_an_option() -> None:
    assert set(inspect.signature(search).parameters) == OWN | set(settings_of(SearchConfig))


def test_help_shows_every_option_with_its_text_under_its_heading(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert command("--help") == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    sections = dict(re.findall(r"^(\S[^\n]*):\n((?:  .*\n|\n)+)", text, re.MULTILINE))
    assert [*sections] == [*(panel.capitalize() for panel in PANELS), "Options"]
    for name, setting in settings_of(SearchConfig).items():
        section = sections[setting.panel.capitalize()]
        assert re.search(rf"^  --{name.replace('_', '-')} ", section, re.MULTILINE), name
        assert "".join(setting.help.split()) in "".join(section.split()), name
    for option in ("--config FILE", "--resume RUN", "--join", "--dry-run", "--version", "--help"):
        assert option in sections["Options"]


def test_the_help_names_every_data_set() -> None:
    help_ = re.sub(r"\(.*?\)", "", settings_of(SearchConfig)["data"].help)
    words = set(re.findall(r"\w+", help_))
    assert set(DATASETS) | {"or", "your", "own", "FILE", "py"} == words


def test_options_reach_the_search(asked: list[Any]) -> None:
    options = [
        *("--space", "digits_se", "--data", "imagefolder", "--data-dir", "here", "--gpus", "0"),
        *("--enqueue", "resnet18", "--enqueue", "resnet34", "--no-dashboard", "--tensorboard"),
        *("--latency-batch", "8", "--batch-size", "9", "--recipe", "adamw"),
    ]
    assert command(*options) == 0
    space, config, _ = asked[0]
    assert space.name == "digits_se"
    assert config.space == "digits_se"
    assert (config.data.name, config.data.data_dir) == ("imagefolder", str(Path("here").absolute()))
    assert config.enqueue == ("resnet18", "resnet34")
    assert (config.gpus, config.dashboard, config.tensorboard) == (0, False, True)
    assert (config.latency.batch, config.recipe.batch_size) == (8, 9)
    assert config.recipe.optimizer == "adamw"


def test_without_options_the_defaults_are_those_of_the_fields(asked: list[Any]) -> None:
    assert command("--space", "digits_se") == 0
    assert asked[0][1] == SearchConfig(space="digits_se")


def test_options_win_over_the_file(asked: list[Any], tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('space = "digits_se"\ntrials = 3\nepochs = 5\ntensorboard = true\nseed = 1')
    assert command("--config", str(file), "--epochs", "8", "--no-tensorboard") == 0
    config = asked[0][1]
    assert config == SearchConfig(space="digits_se", trials=3, epochs=8, seed=1)


def test_what_is_in_the_file_counts_as_written(asked: list[Any], tmp_path: Path) -> None:
    file = tmp_path / "more.yaml"
    file.write_text("trials: 30\nout: elsewhere\n")
    assert command("--config", str(file), "--resume", "run", "--top", "2") == 0
    which, space, config, named, _ = asked[0]
    assert (which, space, config.out, config.trials) == ("run", None, "elsewhere", 30)
    assert sorted(named) == ["out", "top", "trials"]


def test_a_space_is_written_so_that_it_is_found_from_elsewhere(
    asked: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from se_nas import load_space

    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.json").write_text(load_space("digits_se").to_json())
    assert command("--space", "my.json") == 0
    space, config, _ = asked[0]
    assert config.space == str(tmp_path / "my.json")
    assert space == load_space("digits_se")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trails = 3", "unknown setting 'trails'; did you mean 'trials'?"),
        ("trials = 'x'", "trials is 'x'; give a whole number"),
        ("trials = ", "run.toml"),
        ("resume = 'x'", "unknown setting 'resume'"),
        ("trials = 3", "--space is missing"),
        ("space = 'digit_se'", "did you mean 'digits_se'?"),
        ("space = 'digits_se'\nstorage = 'x://a:***@b'", "give --storage with it"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.toml").write_text(text)
    assert command("--config", str(tmp_path / "run.toml")) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert message in printed.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lower `cpus_per_trial`", "lower --cpus-per-trial"),
        ("use `gpus=0` or `name='a b'`", "use --gpus 0 or --name 'a b'"),
        ("`ray start --head`, `trails`, gpus", "`ray start --head`, `trails`, gpus"),
        ("the folder '/a/data_dir/seed'", "the folder '/a/data_dir/seed'"),
    ],
)
def test_settings_are_shown_as_options(text: str, expected: str) -> None:
    assert as_options(text) == expected


def test_a_space_file_of_other_json_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "space.json").write_text(json.dumps({"name": "s"}))
    assert command("--space", str(tmp_path / "space.json")) == 2
    assert "space.json': not a space's JSON" in capsys.readouterr().err
