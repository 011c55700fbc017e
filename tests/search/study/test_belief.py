"""Who is believed best: by what networks have in common, and not by one lucky value."""

from __future__ import annotations

import random
from dataclasses import replace

import optuna
from optuna.samplers import RandomSampler

from se_nas import SE, Space, choice, maximize, minimize, optional, per_stage
from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import cost
from se_nas.search.config import SearchConfig
from se_nas.search.study.belief import by_belief
from se_nas.search.study.ranking import ranking
from se_nas.search.study.records import Outcome
from se_nas.search.study.study import propose

SPACE = Space(
    "s",
    trunk="resnet8_small",
    se=per_stage(optional(SE(reduction=choice(2, 8), gate=choice("sigmoid", "tanh")))),
    objectives=[maximize("val_acc")],
)


def true_value(architecture: Architecture) -> float:
    return 0.5 + 0.05 * sum(se is not None for se in architecture.se)


def searched(space: Space, sign: int = 1) -> optuna.Study:
    study = optuna.create_study(
        directions=[o.direction for o in space.objectives], sampler=RandomSampler(seed=0)
    )
    proposals, rng = propose(study, space, cost, SearchConfig(trials=60)), random.Random(0)
    while (proposal := proposals.ask()) is not None:
        value = sign * (true_value(proposal.architecture) + rng.gauss(0, 0.05))
        proposals.tell(proposal, Outcome("complete", {"val_acc": value, "val_loss": value}, 8))
    return study


def test_those_believed_best_are_better_than_those_that_were_lucky() -> None:
    for space, sign in ((SPACE, 1), (replace(SPACE, objectives=(minimize("val_loss"),)), -1)):
        study = searched(space, sign)
        ranked = ranking(study, space)
        believed = by_belief(study, space, cost, ranked)
        assert sorted(map(str, believed)) == sorted(map(str, ranked))
        best, lucky = (sum(true_value(a) for a, _ in order[:5]) for order in (believed, ranked))
        assert best > lucky
        assert all(se is not None for se in believed[0][0].se)


def test_a_front_stays_in_its_order() -> None:
    space = replace(SPACE, objectives=(maximize("val_acc"), minimize("params")))
    study = searched(space)
    ranked = ranking(study, space)
    assert by_belief(study, space, cost, ranked) is ranked


def test_without_trials_there_is_nothing_to_order() -> None:
    study = optuna.create_study(direction="maximize")
    assert by_belief(study, SPACE, cost, []) == []
