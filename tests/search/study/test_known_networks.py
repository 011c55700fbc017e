"""Duplicates of networks that train or ended are answered once, with the outcome."""

from __future__ import annotations

import optuna
from optuna.trial import TrialState

from se_nas.search.study.known_networks import KnownNetworks
from se_nas.search.study.records import Outcome

DONE = Outcome("complete", {"val_acc": 0.5}, 1)


def test_a_duplicate_waits_for_the_network_that_trains() -> None:
    study, known = optuna.create_study(), KnownNetworks()
    known.begin("a")
    waiting = study.ask()
    known.answer(waiting, "a")
    assert "a" in known
    assert study.trials[0].state is TrialState.RUNNING
    known.end("a", DONE)
    later = study.ask()
    known.answer(later, "a")
    assert [t.state for t in study.trials] == [TrialState.PRUNED] * 2
    assert all(t.user_attrs["outcome"]["metrics"] == {"val_acc": 0.5} for t in study.trials)


def test_beginning_twice_loses_no_duplicate_that_waits() -> None:
    study, known = optuna.create_study(), KnownNetworks()
    known.begin("a")
    known.answer(study.ask(), "a")
    known.begin("a")
    known.end("a", DONE)
    assert study.trials[0].user_attrs["duplicate"]


def test_a_network_that_is_released_is_known_no_more() -> None:
    study, known = optuna.create_study(), KnownNetworks()
    known.begin("a")
    known.answer(study.ask(), "a")
    known.release("a")
    assert "a" not in known
    assert study.trials[0].user_attrs["end"] == "repeated"
    known.release("b")  # never heard of
