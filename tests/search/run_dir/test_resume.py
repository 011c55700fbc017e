"""Which run is taken up, with which settings, and what is refused."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from se_nas import SE, InputError, Space, choice, load_space, params, trunk
from se_nas.cli import main
from se_nas.latency.settings import LatencySettings
from se_nas.search.config import DataSettings, SearchConfig, config_from_options
from se_nas.search.config_file import read_settings
from se_nas.search.results.run_results import clear_ending
from se_nas.search.run_dir import compatibility, directory, new_run, resume
from se_nas.search.run_dir.lock import run_lock
from se_nas.settings import settings_of
from se_nas.training.recipes import RECIPES

SPACE = Space("s", trunk=trunk("resnet8_small", width=choice(8, 16)), se=SE(choice(2, 4)))


SPACE_FILE = """
from se_nas import SE, Space, choice, trunk
space = Space("my", trunk=trunk("resnet8_small", width=choice(8, 16)), se=SE(choice(2, 4)))
"""


def make(tmp_path: Path, space: Space = SPACE, **settings: object) -> directory.RunDirectory:
    base = SearchConfig(out=str(tmp_path), name="run", data=DataSettings(limit_train=200))
    return new_run.create(space, replace(base, **settings))  # type: ignore[arg-type]


def refused(run: directory.RunDirectory, asked: SearchConfig, *named: str) -> str:
    with pytest.raises(InputError) as caught:
        resume.resumed_config(run, asked, named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_settings_survive_the_file(tmp_path: Path) -> None:
    run = make(tmp_path, epochs=3, recipe=replace(RECIPES["adamw"], batch_size=7), gpus=0)
    stored = SearchConfig.from_dict(run.read("settings.json"))
    assert stored.recipe == replace(RECIPES["adamw"], batch_size=7)
    assert stored.data == DataSettings(limit_train=200)
    assert resume.resumed_config(run, SearchConfig(), []) == stored


def test_options_that_are_not_written_change_nothing(tmp_path: Path) -> None:
    run = make(tmp_path, trials=33, epochs=3)
    config = resume.resumed_config(
        run, SearchConfig(trials=20, epochs=8, gpus=2), ["gpus", "resume", "out"]
    )
    assert (config.trials, config.epochs, config.gpus) == (33, 3, 2)


def test_what_may_change_is_taken(tmp_path: Path) -> None:
    run = make(tmp_path)
    asked = SearchConfig(
        trials=50, concurrency=1, address="a:1", data=DataSettings(data_dir="/moved"), top=9
    )
    config = resume.resumed_config(
        run, asked, ["trials", "concurrency", "address", "data_dir", "top"]
    )
    assert (config.trials, config.concurrency, config.address) == (50, 1, "a:1")
    assert config.data == DataSettings(data_dir="/moved", limit_train=200)
    assert config.top == 9


@pytest.mark.parametrize(
    ("asked", "name", "expected"),
    [
        (SearchConfig(epochs=9), "epochs", "`epochs` is 9, in the run"),
        (SearchConfig(seed=1), "seed", "`seed` is 1"),
        (SearchConfig(sampler="random"), "sampler", "`sampler` is 'random'"),
        (SearchConfig(data=DataSettings(limit_train=9)), "limit_train", "`limit_train` is 9"),
        (SearchConfig(recipe=replace(RECIPES["search"], batch_size=9)), "batch_size", "is 9"),
        (SearchConfig(recipe=RECIPES["adamw"]), "recipe", "`recipe` is"),
        (SearchConfig(first_rung=1), "first_rung", "`first_rung` is 1"),
    ],
)
def test_what_the_results_depend_on_cannot_change(
    asked: SearchConfig, name: str, expected: str, tmp_path: Path
) -> None:
    message = refused(make(tmp_path), asked, name)
    assert expected in message
    assert "cannot change" in message


def test_more_gpus_a_trial_are_refused_and_another_fraction_of_one_is_not(tmp_path: Path) -> None:
    run = make(tmp_path, gpus_per_trial=0.5)
    packed = resume.resumed_config(run, SearchConfig(gpus_per_trial=0.25), ["gpus_per_trial"])
    assert packed.gpus_per_trial == 0.25
    assert resume.resumed_config(run, SearchConfig(gpus=0), ["gpus"]).gpus == 0
    message = refused(run, SearchConfig(gpus_per_trial=2), "gpus_per_trial")
    assert message.startswith("`gpus_per_trial` is 2, in the run")
    assert "it is 0.5: every batch would be trained in 2 parts instead of 1" in message

    (tmp_path / "wide").mkdir()
    wide = make(tmp_path / "wide", gpus_per_trial=2)
    assert resume.resumed_config(wide, SearchConfig(gpus=8), ["gpus"]).gpus == 8
    assert "in 1 part instead of 2" in refused(
        wide, SearchConfig(gpus_per_trial=1), "gpus_per_trial"
    )
    assert "gpus is 0, but gpus_per_trial is 2" in refused(wide, SearchConfig(gpus=0), "gpus")
    like = SearchConfig(out=str(tmp_path / "wide"), data=DataSettings(limit_train=200))
    assert resume.find_interrupted(SPACE, like) is None
    assert resume.find_interrupted(SPACE, replace(like, gpus_per_trial=2)) is not None


def test_the_same_value_again_is_no_change(tmp_path: Path) -> None:
    run = make(tmp_path, epochs=3)
    assert resume.resumed_config(run, SearchConfig(epochs=3), ["epochs", "seed"]).epochs == 3


def test_what_may_change_is_said_at_the_setting() -> None:
    may_change = {"gpus", "gpus_per_trial", "address", "storage", "data_dir", "latency_cache"}
    assert may_change | {"trials", "top", "dashboard"} <= compatibility.MAY_CHANGE
    assert {"name", "out", "space"} <= compatibility.APART
    fixed = {*settings_of(SearchConfig)} - compatibility.MAY_CHANGE - compatibility.APART
    assert {"data", "limit_train", "recipe", "batch_size", "train", "epochs", "seed"} <= fixed
    assert {"first_rung", "sampler", "enqueue", "latency_batch"} <= fixed


def test_drivers_of_a_study_share_what_results_depend_on() -> None:
    config = SearchConfig(
        data=DataSettings("cifar10", "/here"),
        latency=LatencySettings(cache="/there", batch=8),
        gpus_per_trial=0.5,
        gpus=4,
        top=9,
        space="mobile_se",
    )
    shared = compatibility.shared_settings(config)
    assert set(shared) == {
        each.path[0] for each in settings_of(SearchConfig).values() if each.shared
    }
    assert {"data", "recipe", "train", "trials", "epochs", "gpus_per_trial", "seed"} <= set(shared)
    assert not {"gpus", "top", "space", "name", "storage", "out"} & set(shared)
    assert shared["data"] == asdict(DataSettings("cifar10"))
    assert shared["latency"] == asdict(LatencySettings(batch=8))
    assert shared["gpus_per_trial"] == 0.5


def test_a_password_is_asked_for_again(tmp_path: Path) -> None:
    run = make(tmp_path, storage="postgresql://me:secret@host/db")
    assert "secret" not in (run.path / "settings.json").read_text()
    assert "give `storage='postgresql://me:***@host/db'`" in refused(run, SearchConfig())
    run.write("settings.json", SearchConfig(storage="mysql://h/db?password=secret&x=1").to_dict())
    assert "give `storage='mysql://h/db?password=***&x=1'`" in refused(run, SearchConfig())
    url = "postgresql://me:secret@host/db"
    assert resume.resumed_config(run, SearchConfig(storage=url), ["storage"]).storage == url


def test_a_complete_run_is_only_taken_up_for_more(tmp_path: Path) -> None:
    run = make(tmp_path)
    run.write("results.json", {"winner": "resnet8_small"})
    same = resume.resumed_config(run, SearchConfig(gpus=0), ["gpus"])
    assert resume.is_done(run, same)
    more = resume.resumed_config(run, SearchConfig(trials=99), ["trials"])
    assert not resume.is_done(run, more)
    run.write("results.json", {"ranking": []})
    assert not resume.is_done(run, same)


def test_another_space_is_refused_with_the_difference(tmp_path: Path) -> None:
    run = make(tmp_path)
    assert resume.read_space(run, None) == SPACE
    assert resume.read_space(run, SPACE) == SPACE
    wider = replace_width(SPACE)
    with pytest.raises(InputError) as caught:
        resume.read_space(run, wider)
    message = str(caught.value)
    assert "trunk.trunk.width.choice: [8, 16] → [8, 16, 32]" in message
    assert "constraints: [] → " in message
    assert "\n" not in message


def replace_width(space: Space) -> Space:
    wide = trunk("resnet8_small", width=choice(8, 16, 32))
    return Space(space.name, trunk=wide, se=space.se, constraints=[params <= 1e6])


def test_a_run_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    run = make(tmp_path)
    assert directory.find(str(run.path), "elsewhere").path == run.path
    assert directory.find("run", str(tmp_path)).path == run.path
    with pytest.raises(InputError, match="did you mean 'run'"):
        directory.find("rum", str(tmp_path))
    with pytest.raises(InputError, match="no run is there"):
        directory.find("run", str(tmp_path / "empty"))
    (run.path / "space.json").unlink()
    for which in (str(run.path), "run"):
        with pytest.raises(InputError, match=r"the run .*run' lacks space\.json"):
            directory.find(which, str(tmp_path))


def test_the_same_command_again_says_how_to_finish_the_run(tmp_path: Path) -> None:
    run = make(tmp_path)
    with pytest.raises(InputError, match=f"finish it with `resume=.*{run.path.name}"):
        make(tmp_path)
    run.write("results.json", {"winner": "resnet8_small"})
    with pytest.raises(InputError, match="is complete"):
        make(tmp_path)


def test_a_command_again_finds_the_run_like_it_that_was_cut(tmp_path: Path) -> None:
    config = SearchConfig(out=str(tmp_path), data=DataSettings(limit_train=200))
    assert resume.find_interrupted(SPACE, config) is None
    run = make(tmp_path)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "settings.json").write_text('{"of another": "version"}')
    found = resume.find_interrupted(SPACE, replace(config, trials=99))
    assert found is not None
    assert found.path == run.path
    assert resume.find_interrupted(replace_width(SPACE), config) is None
    assert resume.find_interrupted(SPACE, replace(config, epochs=9)) is None
    with run_lock(run):
        assert resume.find_interrupted(SPACE, config) is None
    run.write("results.json", {"failed": "all 3 trials diverged"})
    assert resume.find_interrupted(SPACE, config) is None, "there is nothing to go on with"
    clear_ending(run)
    assert resume.find_interrupted(SPACE, config) is not None
    run.write("results.json", {"winner": "resnet8_small"})
    assert resume.find_interrupted(SPACE, config) is None


def test_the_settings_file_of_a_run_repeats_it(tmp_path: Path) -> None:
    config = SearchConfig(
        out=str(tmp_path),
        space="digits_se",
        data=DataSettings("cifar10", "/data"),
        recipe=replace(RECIPES["adamw"], batch_size=7),
        enqueue=("resnet8_small",),
    )
    run = new_run.create(SPACE, config)
    values = read_settings(str(run.path / "run.toml"))
    assert config_from_options(values) == replace(config, space=str(run.path / "space.json"))
    again = new_run.create(SPACE, replace(config_from_options(values), name="again"))
    repeated = read_settings(str(again.path / "run.toml"))
    assert repeated == values | {"space": str(again.path / "space.json")}  # not with the name

    resume.note_session(run, replace(config, trials=77))
    assert read_settings(str(run.path / "run.toml")) == values | {"trials": 77}


@pytest.mark.parametrize("space", [None, "mobile_se"])
def test_the_space_to_repeat_is_that_of_the_run(space: str | None, tmp_path: Path) -> None:
    run = new_run.create(SPACE, SearchConfig(out=str(tmp_path), space=space))
    config = config_from_options(read_settings(str(run.path / "run.toml")))
    assert config.space == str(run.path / "space.json")
    assert load_space(config.space) == SPACE


def test_the_command_line_takes_the_settings_file_of_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my.py"
    file.write_text(SPACE_FILE)
    config = SearchConfig(out=str(tmp_path), space=str(file))
    run = new_run.create(load_space(str(file)), config)
    file.unlink()
    with pytest.raises(SystemExit) as stop:
        main(["--dry-run", "--config", str(run.path / "run.toml")], alone="search")
    assert stop.value.code == 0
    assert "space      my v1" in capsys.readouterr().out


def test_the_settings_file_says_which_python_objects_to_give_again(tmp_path: Path) -> None:
    def comments(name: str, **settings: object) -> list[str]:
        text = (make(tmp_path, name=name, **settings).path / "run.toml").read_text()
        return [line for line in text.splitlines() if "give it again" in line]

    assert comments("files", data=DataSettings("/my.py"), train="/train.py") == []
    found = comments("objects", data=DataSettings("mine"), train="train_mine")
    assert [line.split()[1] for line in found] == ["data", "train"]


def test_a_resumed_session_is_written_down_with_what_differs(tmp_path: Path) -> None:
    run = make(tmp_path)
    versions = run.read("versions.json")
    run.write("versions.json", versions | {"torch": "1.0"})
    config = SearchConfig(trials=77, name="run")
    assert resume.resume_notes(run) == [f"torch was 1.0 and is {versions['torch']}"]
    resume.note_session(run, config)
    resume.note_session(run, config)
    assert len(run.read("versions.json")["resumed"]) == 2
    assert run.read("settings.json")["trials"] == 77
