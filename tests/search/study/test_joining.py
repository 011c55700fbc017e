"""What a driver that joins a study is told, and how several drivers end; SQLite, no cluster."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from rich.console import Console

from se_nas import SE, InputError, Space, choice, latency_ms, trunk
from se_nas.cost.network_cost import cost
from se_nas.data import load
from se_nas.search.config import DataSettings, SearchConfig
from se_nas.search.replay import replay
from se_nas.search.results import run_results
from se_nas.search.run_dir import directory, new_run
from se_nas.search.run_dir.data_files import write_data_files
from se_nas.search.study import joining, study
from se_nas.search.study.drivers import SharedStudy, new_driver_name, shared_study
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.records import Outcome, Proposal
from se_nas.search.study.study import propose
from se_nas.search.tuning.searcher import StudySearcher
from se_nas.training.recipes import RECIPES

SPACE = Space("s", trunk=trunk("resnet8_small", width=choice(8, 16)), se=SE(choice(2, 4)))


def settings(tmp_path: Path) -> SearchConfig:
    return SearchConfig(
        trials=3,
        epochs=5,
        recipe=replace(RECIPES["search"], batch_size=7),
        data=DataSettings(limit_train=200, data_dir="/of/the/first"),
        storage=f"sqlite:///{tmp_path}/study.db",
        name="big",
        out=str(tmp_path),
        gpus=0,
    )


def begin(config: SearchConfig, space: Space = SPACE) -> Proposals:
    run = new_run.create(space, config)
    opened = study.create_study(space, config, run)
    return propose(opened, space, cost, config, shared_study(opened, run))


def begin_joined(
    config: SearchConfig, asked: SearchConfig
) -> tuple[Proposals, directory.RunDirectory]:
    space, settled = joining.joined_config(
        None, replace(asked, storage=config.storage, name="big"), []
    )
    run = new_run.create(space, settled, new_driver_name("big"))
    opened = study.create_study(space, settled, run)
    proposals = propose(opened, space, cost, settled, shared_study(opened, run))
    proposals.sync()
    return proposals, run


def ask(proposals: Proposals) -> Proposal:
    proposal = proposals.ask()
    assert proposal is not None
    return proposal


def finish(proposals: Proposals, proposal: Proposal, seconds: float = 1.0) -> None:
    proposals.tell(proposal, Outcome("complete", {"val_acc": 0.5}, 1, seconds))


def refused(space: Space | None, asked: SearchConfig, *named: str) -> str:
    with pytest.raises(InputError) as caught:
        joining.joined_config(space, asked, named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_one_that_joins_has_the_studys_settings_and_its_own_machine(tmp_path: Path) -> None:
    config = settings(tmp_path)
    begin(config)
    asked = SearchConfig(
        storage=config.storage,
        name="big",
        concurrency=1,
        out="mine",
        data=DataSettings(data_dir="/here"),
    )
    space, joined = joining.joined_config(None, asked, ["storage", "name", "join", "concurrency"])
    assert space == SPACE
    assert (joined.trials, joined.epochs, joined.recipe) == (3, 5, config.recipe)
    assert joined.data == DataSettings(limit_train=200, data_dir="/here")
    assert (joined.concurrency, joined.out, joined.gpus) == (1, "mine", None)
    again = replace(config, trials=9)
    assert (
        joining.joined_config(SPACE, again, ["space", "trials", "epochs", "limit_train"])[1]
        == again
    )


def test_another_space_or_other_settings_are_refused_with_the_difference(tmp_path: Path) -> None:
    config = settings(tmp_path)
    begin(config)
    wider = Space("s", trunk=trunk("resnet8_small", width=choice(8, 32)), se=SPACE.se)
    assert "trunk.trunk.width.choice[1]: 16 → 32" in refused(wider, config, "space")
    line = refused(None, replace(config, epochs=6), "epochs")
    assert "`epochs` is 6, in the study 'big' it is 5: that cannot change" in line
    line = refused(None, replace(config, gpus=None, gpus_per_trial=2), "gpus_per_trial")
    assert "`gpus_per_trial` is 2, in the study 'big' it is 1: every batch" in line
    packed = replace(config, gpus=None, gpus_per_trial=0.5)
    assert joining.joined_config(None, packed, ["gpus_per_trial"])[1].gpus_per_trial == 0.5
    assert joining.joined_config(None, packed, [])[1].gpus_per_trial == 1


def test_one_that_joins_needs_the_images_of_the_study(tmp_path: Path) -> None:
    config, digits = settings(tmp_path), load("digits")
    files = {"train/a/1.png": 7, "train/b/2.png": 7, "test/a/3.png": 7}
    images = replace(digits, files=files)
    run = new_run.create(SPACE, config)
    write_data_files(run, images)
    study.create_study(SPACE, config, run)
    joining.check_images(config, images)
    joining.check_images(config, digits)  # of no files
    for other in (files | {"test/a/3.png": 8}, files | {"test/a/4.png": 7}):
        with pytest.raises(
            InputError, match=r"those of the study 'big': other files are in test"
        ) as e:
            joining.check_images(config, replace(digits, files=other))
        assert f"in test (1 there, {len(other) - 2} here)" in str(e.value)


def test_a_study_that_cannot_be_joined_is_one_line(tmp_path: Path) -> None:
    config = settings(tmp_path)
    assert "`storage` and `name`" in refused(None, replace(config, storage=None))
    assert "/study.db' is not there; see `storage`" in refused(None, config)
    assert not (tmp_path / "study.db").exists()
    optuna.create_study(study_name="another", storage=config.storage)
    assert "has no study 'big'; start its first driver without --join" in refused(None, config)
    optuna.create_study(study_name="big", storage=config.storage)
    assert "an earlier version began it" in refused(None, config)
    timed = Space("s", trunk=SPACE.trunk, se=SPACE.se, constraints=[latency_ms <= 5])
    begin(replace(config, name="timed"), timed)
    assert "such a study has one driver" in refused(None, replace(config, name="timed"))


def test_a_second_driver_without_join_is_told_of_it_and_no_password_is_shown(
    tmp_path: Path,
) -> None:
    config = settings(tmp_path)
    begin(config)
    with pytest.raises(InputError, match=r"add --join .* --resume RUN"):
        begin(replace(config, out=str(tmp_path / "elsewhere")))
    secret = replace(config, storage="postgresql+psycopg://me:secret@127.0.0.1:9/db")
    line = refused(None, secret)
    assert "'postgresql+psycopg://me:***@127.0.0.1:9/db' cannot be opened" in line
    assert "secret" not in line


def test_two_drivers_share_the_trials_and_one_leaves(tmp_path: Path) -> None:
    config = settings(tmp_path)
    first = begin(config)
    second, run = begin_joined(config, SearchConfig(out=str(tmp_path)))
    assert run.joined
    running = ask(first)
    finish(second, ask(second))
    finish(second, ask(second))
    assert second.ask() is None
    console = Console(file=io.StringIO(), width=300)
    joining.finish_joined(second, config, run, console)
    output = console.file.getvalue()  # type: ignore[attr-defined]
    assert "done: 2 trials of this driver are in the study 'big'" in output
    assert run.complete
    finish(first, running)
    assert first.ask() is None
    assert first.counts.ends == {"complete": 3}
    taken_up = study.create_study(SPACE, config, run, resume=True)
    again = shared_study(taken_up, run)
    assert isinstance(again, SharedStudy)
    assert sum(again.owns(t) for t in taken_up.trials if "id" in t.user_attrs) == 2
    keys = [key for key in taken_up.user_attrs if key.startswith("sessions")]
    assert sorted(keys) == ["sessions", f"sessions {again.own}"]
    seeds = [session["seed"] for key in keys for session in taken_up.user_attrs[key]]
    assert len(set(seeds)) == 3
    with pytest.raises(InputError, match="cannot be replayed: 2 drivers"):
        replay("big", str(tmp_path))
    run_results.clear_ending(run)  # with more trials it has more to do
    assert not run.complete


def test_a_study_that_has_more_trials_now_has_them_for_one_that_joins(tmp_path: Path) -> None:
    config = settings(tmp_path)
    begin(config)
    more = replace(config, trials=7)
    study.create_study(SPACE, more, directory.find("big", str(tmp_path)), resume=True)
    assert joining.joined_config(None, replace(config, trials=20), [])[1].trials == 7


def test_one_that_joins_counts_the_failed_trials_of_before(tmp_path: Path) -> None:
    config = settings(tmp_path)
    first = begin(config)
    first.tell(ask(first), Outcome("error", {}))
    second, _ = begin_joined(config, SearchConfig(out=str(tmp_path)))
    for _ in range(2):
        finish(second, ask(second))
    assert second.ask() is None
    assert second.counts.accepted == 3


def test_the_best_so_far_is_that_of_all_drivers(tmp_path: Path) -> None:
    config = settings(tmp_path)
    first = begin(config)
    second, _ = begin_joined(config, SearchConfig(out=str(tmp_path)))
    searcher = StudySearcher(second, epochs=1)
    assert searcher.best.architecture == ""
    proposal = ask(first)
    first.tell(proposal, Outcome("complete", {"val_acc": 0.75}, 1))
    searcher.suggest("a")
    assert (searcher.best.value, searcher.best.architecture) == (0.75, str(proposal.architecture))


def wait(proposals: Proposals, ends: Proposal | None, other: Proposals) -> tuple[str, float]:
    """What the wait prints, and how long it took by a clock that ends a trial after 10 s."""
    console = Console(file=io.StringIO(), width=300)
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if ends is not None and now[0] == 10:
            finish(other, ends)

    joining.wait_for_drivers(proposals, console, clock=lambda: now[0], sleep=sleep)
    return console.file.getvalue(), now[0]  # type: ignore[attr-defined]


def test_the_first_driver_waits_for_the_others_but_not_for_ever(tmp_path: Path) -> None:
    config = settings(tmp_path)
    first = begin(config)
    second, _ = begin_joined(config, SearchConfig(out=str(tmp_path)))
    finish(first, ask(first), seconds=100)
    ends, never = ask(second), ask(second)
    output, waited = wait(first, ends, second)
    assert waited == 200
    assert f"({second.drivers.own}: 2), at most 200 s" in output
    assert f"not in the results, because they did not end: trials of {second.drivers.own}: 1;" in (
        output
    )
    finish(second, never)
    assert wait(first, None, second) == ("", 0)
    assert {t.state for t in first.study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
