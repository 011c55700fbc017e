"""Halving by fronts: the better half goes on, what nothing dominates is never stopped."""

from __future__ import annotations

import random
import statistics
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from se_nas import SE, Space, choice, maximize, minimize, optional, per_stage
from se_nas.cost.network_cost import cost
from se_nas.search.config import SearchConfig
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.ranking import curves_of_objectives
from se_nas.search.study.records import Outcome
from se_nas.search.study.study import propose
from se_nas.search.tuning.halving import MultiObjectiveHalving, better_share
from se_nas.search.tuning.tune import _scheduler


def trial(number: int) -> Any:
    return SimpleNamespace(trial_id=f"t{number}", config={"number": number})


def rungs(costs: dict[int, float], known: Any = (), first: int = 4) -> MultiObjectiveHalving:
    """Accuracy is to be maximized, and a cost minimized."""
    return MultiObjectiveHalving(
        known,
        signs=[1, -1],
        values=lambda number, metrics: [float(str(metrics["val_acc"])), costs[number]],
        first=first,
        epochs=8,
    )


def step(scheduler: Any, number: int, epoch: int, value: float) -> str:
    return str(scheduler.on_trial_result(None, trial(number), {"epoch": epoch, "val_acc": value}))


def test_the_worse_half_is_stopped_by_fronts() -> None:
    scheduler = rungs({0: 10, 1: 5, 2: 20, 3: 4, 4: 30})
    assert step(scheduler, 0, 4, 0.8) == "CONTINUE"
    assert step(scheduler, 1, 4, 0.7) == "CONTINUE"  # cheaper
    assert step(scheduler, 2, 4, 0.75) == "STOP"  # two fronts of three are not before it
    assert step(scheduler, 3, 4, 0.1) == "CONTINUE"  # the cheapest of all
    assert step(scheduler, 4, 4, 0.6) == "STOP"


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12))
def test_what_nothing_dominates_goes_on(points: list[tuple[int, int]]) -> None:
    *others, own = points
    dominated = any(a >= own[0] and b >= own[1] and (a, b) != own for a, b in others)
    assert (better_share(others, own) == 0) == (not dominated)


@given(st.lists(st.integers(), min_size=2, max_size=12, unique=True))
def test_one_objective_is_halved_as_asha_halves(values: list[int]) -> None:
    """Ray's cutoff is the median of the others, between two of them where their number is even."""
    *others, own = values
    goes_on = better_share([(value,) for value in others], (own,)) < 0.5
    if len(others) % 2:
        assert goes_on == (own >= statistics.median(others))
    else:
        assert goes_on == (own >= statistics.median_low(others))


@pytest.mark.parametrize("epoch", [4, 5])
def test_a_trial_that_was_judged_is_not_judged_again(epoch: int) -> None:
    known = [(0, {4: [0.9, 1.0]}), (1, {4: [0.5, 9.0]})]
    scheduler = rungs({0: 1.0, 1: 9.0, 2: 8.0}, known)
    assert step(scheduler, 1, epoch, 0.1) == "CONTINUE"
    assert step(scheduler, 2, 4, 0.4) == "CONTINUE", "its front is that of 1: one of three"


def test_reports_without_an_epoch_are_no_results() -> None:
    scheduler = rungs({0: 1.0})
    assert str(scheduler.on_trial_result(None, trial(0), {"end": "lost"})) == "CONTINUE"  # type: ignore[arg-type]


OBJECTIVES = [maximize("val_acc"), minimize("params")]
SPACE = Space(
    "s",
    trunk="resnet8_small",
    se=per_stage(optional(SE(reduction=choice(2, 8)))),
    objectives=OBJECTIVES,
)


def proposed(study: optuna.Study) -> Proposals:
    return propose(study, SPACE, cost, SearchConfig(trials=9))


def test_a_resumed_search_has_the_rungs_of_the_first() -> None:
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    proposals = proposed(study)
    first = _scheduler(proposals, SearchConfig(epochs=8))
    rng = random.Random(0)
    for _ in range(6):
        proposal = proposals.ask()
        assert proposal is not None
        curve = [{"val_acc": rng.random(), "val_loss": 1.0} for _ in range(8)]
        for epoch, metrics in enumerate(curve, 1):
            proposals.report(proposal, epoch, metrics)
            result = {"epoch": epoch, **metrics}
            if first.on_trial_result(None, trial(proposal.number), result) == "STOP":  # type: ignore[arg-type]
                proposals.tell(proposal, Outcome("stopped_early", metrics, epoch))
                break
        else:
            proposals.tell(proposal, Outcome("complete", curve[-1], 8))
    again = _scheduler(proposed(study), SearchConfig(epochs=8))
    assert isinstance(first, MultiObjectiveHalving)
    assert isinstance(again, MultiObjectiveHalving)
    assert again.rungs == first.rungs
    assert [len(rung) for rung in again.rungs.values()] == [6]
    curves = dict(curves_of_objectives(study, SPACE))
    pruned = [t for t in study.trials if t.state == optuna.trial.TrialState.PRUNED]
    stopped = [t for t in pruned if t.number in curves]  # the others are repeats
    assert stopped, "some were stopped"
    assert not {t.number for t in stopped} & {t.number for t in study.best_trials}
    assert max(curves[stopped[0].number]) == 4


@pytest.mark.parametrize(
    ("settings", "halves"),
    [({}, True), ({"first_rung": 1.0}, False), ({"sampler": "nsga2"}, False)],
)
def test_trials_are_stopped_unless_the_user_or_the_sampler_wants_them_whole(
    settings: dict[str, Any], halves: bool
) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    found = _scheduler(proposed(study), SearchConfig(epochs=8, **settings))
    assert isinstance(found, MultiObjectiveHalving) == halves
