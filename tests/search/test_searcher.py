"""What Tune reports becomes what the study is told, and what is ranked: no cluster here."""

from __future__ import annotations

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
from ray.tune.search import Searcher

from se_nas import SE, Space, choice, latency_ms, optional, per_stage
from se_nas.cost import cost
from se_nas.search.proposals import Proposals
from se_nas.search.run import ranking
from se_nas.search.searcher import StudySearcher

SPACE = Space(
    "small",
    trunk="resnet8_small",
    se=per_stage(optional(SE(reduction=choice(2, 4)))),
    constraints=[latency_ms <= 5],
)


@pytest.fixture
def searcher() -> StudySearcher:
    study = optuna.create_study(direction="maximize", sampler=RandomSampler(seed=0))
    return StudySearcher(Proposals(study, SPACE, cost, trials=10), epochs=4)


def result(epoch: int, val_acc: float = 0.5, latency: float = 1.0) -> dict[str, object]:
    return {"epoch": epoch, "val_acc": val_acc, "latency_ms": latency, "end": ""}


def last(searcher: StudySearcher) -> optuna.trial.FrozenTrial:
    return searcher.proposals.study.trials[-1]


def test_a_trial_that_the_scheduler_ends_is_stopped_early_with_its_values(
    searcher: StudySearcher,
) -> None:
    searcher.suggest("a")
    searcher.on_trial_result("a", result(1, 0.3))
    searcher.on_trial_complete("a", result(2, 0.4))
    assert last(searcher).state is TrialState.PRUNED
    assert last(searcher).user_attrs["end"] == "stopped_early"
    assert last(searcher).intermediate_values == {1: 0.3, 2: 0.4}


def test_a_trial_that_the_user_interrupts_is_not_told_as_stopped_early(
    searcher: StudySearcher,
) -> None:
    searcher.suggest("a")
    searcher.stop()
    searcher.on_trial_complete("a", result(2))
    assert last(searcher).state is TrialState.FAIL
    assert last(searcher).user_attrs["end"] == "lost"
    assert searcher.suggest("b") == Searcher.FINISHED


def test_what_is_live_when_the_search_ends_is_settled(searcher: StudySearcher) -> None:
    for name in "abc":
        searcher.suggest(name)
    searcher.settle()
    states = {trial.state for trial in searcher.proposals.study.trials}
    assert TrialState.RUNNING not in states
    assert not searcher.live


def test_a_network_that_is_measured_over_its_limit_is_not_ranked(searcher: StudySearcher) -> None:
    searcher.suggest("fast")
    fast = str(searcher.live["fast"].architecture)
    searcher.on_trial_complete("fast", result(4, 0.5, latency=1))
    searcher.suggest("slow")
    searcher.on_trial_complete("slow", result(4, 0.9, latency=50))
    ranked = ranking(searcher.proposals.study, SPACE)
    assert [(str(a), values) for a, values in ranked] == [(fast, [0.5])]
