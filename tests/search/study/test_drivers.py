"""Several drivers on one study in a database (SQLite here): no network twice, no trial too many."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from se_nas import SE, Space, choice, optional, per_stage, trunk
from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Cost, cost
from se_nas.search.study.drivers import SharedStudy
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.records import Outcome, Proposal
from se_nas.search.study.recovery import recover

SPACE = Space(
    "small",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4)))),
)
Make = Callable[..., Proposals]


def price(architecture: Architecture) -> Cost:
    return cost(architecture, input_size=8, in_channels=1, num_classes=10)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A driver as a process of its own would make it: nothing in common but the database."""

    def driver(
        name: str,
        trials: int = 8,
        seed: int = 0,
        space: Space = SPACE,
        first: Iterable[Architecture] = (),
        sampled: bool = True,
    ) -> Proposals:
        study = optuna.create_study(
            study_name="big",
            storage=f"sqlite:///{tmp_path}/study.db?timeout=60",
            sampler=RandomSampler(seed=seed),
            direction="maximize",
            load_if_exists=True,
        )
        proposals = Proposals(
            *(study, space, price),
            trials=trials,
            seed=seed,
            initial=first,
            sampled=sampled,
            drivers=SharedStudy(study, name, "a"),
        )
        recover(proposals)
        return proposals

    return driver


def ask(proposals: Proposals) -> Proposal:
    proposal = proposals.ask()
    assert proposal is not None
    return proposal


def finish(proposals: Proposals, proposal: Proposal, value: float, end: Any = "complete") -> None:
    proposals.tell(proposal, Outcome(end, {"val_acc": value}, 1, seconds=3.0))


def trained(proposals: Proposals) -> list[FrozenTrial]:
    return [t for t in proposals.study.trials if "id" in t.user_attrs]


def deaf_once(proposals: Proposals, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next time that this driver would learn of others it does not: they are faster."""
    sync = proposals.sync

    def nothing() -> None:
        monkeypatch.setattr(proposals, "sync", sync)

    monkeypatch.setattr(proposals, "sync", nothing)


def test_what_another_driver_trains_or_trained_is_known(make: Make) -> None:
    known = list(SPACE)[:3]
    one, two = make("a", first=known), make("b", first=known, sampled=False)
    done, running = ask(one), ask(one)
    assert [done.architecture, running.architecture] == known[:2]
    finish(one, done, 0.5)
    only = ask(two)
    assert only.architecture == known[2]
    assert two.ask() is None
    assert two.exhausted
    assert (two.counts.accepted, two.counts.ends) == (3, {"complete": 1})
    assert [t.user_attrs["driver"] for t in one.study.trials] == ["a", "a", "b"]


def test_a_network_that_two_drivers_want_at_once_is_trained_by_one(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = list(SPACE)[:2]
    one, two = make("a", first=known), make("b", first=known)
    deaf_once(two, monkeypatch)
    faster = ask(one)
    other = ask(two)
    assert (faster.architecture, other.architecture) == (known[0], known[1])
    waits = two.study.trials[1]
    assert (waits.state, "id" in waits.user_attrs) == (TrialState.RUNNING, False)
    assert two.counts.duplicates == 1
    finish(one, faster, 0.75)
    two.sync()
    repeated = two.study.trials[1]
    assert (repeated.state, repeated.value) == (TrialState.PRUNED, None)
    assert repeated.user_attrs["outcome"]["metrics"] == {"val_acc": 0.75}
    one.sync()
    assert one.counts.accepted == two.counts.accepted == 2
    assert one.counts.duplicates == 1


def test_the_last_trial_is_taken_by_one_driver(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = make("a", trials=2), make("b", trials=2, seed=1)
    ask(two)
    deaf_once(two, monkeypatch)
    ask(one)
    assert two.ask() is None
    assert not two.exhausted
    assert len(trained(one)) == 2
    surplus = [t for t in one.study.trials if t.user_attrs.get("end") == "surplus"]
    assert [t.state for t in surplus] == [TrialState.PRUNED]


def test_a_driver_that_is_taken_up_has_its_own_trials_and_no_others(make: Make) -> None:
    one, two = make("a", seed=3), make("b", seed=1)
    mine, other = ask(one), ask(two)
    undecided = [two.drivers.ask(), one.drivers.ask()]
    again = make("a", seed=2)
    assert {p.number for p in again.unfinished} == {mine.number, undecided[1].number}
    assert set(again.running_elsewhere) == {other.number}
    assert again.counts.accepted == 3
    finish(two, other, 0.5)
    while (proposal := again.ask()) is not None:
        finish(again, proposal, 0.5)
    states = Counter((t.user_attrs["driver"], t.state) for t in again.study.trials)
    assert states[("b", TrialState.COMPLETE)] == 1
    assert states[("b", TrialState.RUNNING)] == 1  # that of which nothing is decided
    assert states[("a", TrialState.RUNNING)] == 0
    assert len(trained(again)) == len({t.user_attrs["id"] for t in trained(again)}) == 8


@pytest.mark.parametrize("end", ["error", "lost"])
def test_what_failed_is_not_tried_again_by_those_who_saw_it_but_by_later_ones(
    make: Make, end: str
) -> None:
    known = list(SPACE)[:1]
    one = make("a", trials=1, first=known)
    two = make("b", trials=9, first=known, sampled=False)
    failed = ask(one)
    finish(one, failed, 0.0, end)
    assert two.ask() is None
    later = make("c", trials=1, first=known)
    assert ask(later).architecture == failed.architecture
    assert later.ask() is None
    assert [t.state for t in trained(later)] == [TrialState.FAIL, TrialState.RUNNING]


def test_duplicates_do_not_outlive_their_driver(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = list(SPACE)[:1]
    one, two = make("a", first=known), make("b", first=known, sampled=False)
    deaf_once(two, monkeypatch)
    ask(one)
    assert two.ask() is None
    two.release_duplicates()
    repeated = two.study.trials[1]
    assert (repeated.state, repeated.user_attrs["end"]) == (TrialState.PRUNED, "repeated")
    assert [t.state for t in trained(one)] == [TrialState.RUNNING]


def test_a_driver_that_died_after_a_claim_or_before_it_goes_on(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make("a", trials=3)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(one, "_event", die)
    with pytest.raises(KeyboardInterrupt):
        one.ask()
    assert "asked" not in trained(one)[0].user_attrs
    again = make("a", trials=3, seed=1)
    monkeypatch.setattr(again.drivers, "claim", die)
    again.take_unfinished()
    with pytest.raises(KeyboardInterrupt):
        again.ask()
    last = make("a", trials=3, seed=2)
    assert len(last.unfinished) == 2
    while (proposal := last.ask()) is not None:
        finish(last, proposal, 0.5)
    assert [t.state for t in trained(last)] == [TrialState.COMPLETE] * 3


@pytest.mark.parametrize("trials", [12, 1000])
def test_drivers_in_threads_train_every_network_once(make: Make, trials: int) -> None:
    """The smallest networks of the space: three drivers propose the same ones all the time."""
    space = Space("tiny", trunk="resnet8_small", se=per_stage(optional(SE(reduction=4))))
    distinct = {a.id for a in space}
    every = [make(name, trials, seed, space) for seed, name in enumerate("abc")]
    wait = threading.Barrier(len(every))
    errors: list[Exception] = []

    def work(proposals: Proposals) -> None:
        try:
            wait.wait()
            while (proposal := proposals.ask()) is not None:
                finish(proposals, proposal, 0.5)
            proposals.release_duplicates()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(proposals,)) for proposals in every]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    ids = Counter(t.user_attrs["id"] for t in trained(every[0]))
    assert set(ids.values()) == {1}
    assert len(ids) == min(trials, len(distinct))
    assert {t.state for t in every[0].study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert len({t.number for t in every[0].study.trials}) == len(every[0].study.trials)
