"""What Tune reports becomes what the study is told, and what is ranked: no cluster here."""

from __future__ import annotations

from dataclasses import replace

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
from ray.tune.search import Searcher

from se_nas import SE, Space, choice, optional, per_stage
from se_nas.cost.network_cost import cost
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.ranking import incumbent_of, ranking
from se_nas.search.tuning.searcher import StudySearcher
from se_nas.space.objectives import Objective, maximize, minimize

SPACE = Space(
    "small",
    trunk="resnet8_small",
    se=per_stage(optional(SE(reduction=choice(2, 4)))),
)


@pytest.fixture
def searcher() -> StudySearcher:
    study = optuna.create_study(direction="maximize", sampler=RandomSampler(seed=0))
    return StudySearcher(Proposals(study, SPACE, cost, trials=10), epochs=4)


def result(epoch: int, val_acc: float = 0.5) -> dict[str, object]:
    return {"epoch": epoch, "val_acc": val_acc, "end": ""}


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


@pytest.mark.parametrize("error", [False, True])
def test_a_trial_that_the_user_interrupts_is_told_nothing_and_is_running_still(
    searcher: StudySearcher, error: bool
) -> None:
    ended: list[int] = []
    searcher.ended = ended.append
    searcher.suggest("a")
    searcher.stop()
    searcher.on_trial_complete("a", None if error else result(2), error)
    assert last(searcher).state is TrialState.RUNNING
    assert "end" not in last(searcher).user_attrs
    assert not ended, "its checkpoint stays"
    assert searcher.worker_deaths.to_retry("a"), "nobody is told that it is lost"
    assert searcher.suggest("b") == Searcher.FINISHED


def test_a_trial_that_the_scheduler_ends_while_the_user_interrupts_is_told(
    searcher: StudySearcher,
) -> None:
    searcher.suggest("a")
    searcher.on_trial_result("a", result(1, 0.3))
    searcher.stop()
    searcher.on_trial_complete("a", result(2, 0.4) | {"done": True})
    assert last(searcher).state is TrialState.PRUNED
    assert last(searcher).intermediate_values == {1: 0.3, 2: 0.4}


def test_a_trial_that_ends_while_the_user_interrupts_is_told(searcher: StudySearcher) -> None:
    searcher.suggest("a")
    searcher.stop()
    searcher.on_trial_complete("a", result(4))
    assert last(searcher).state is TrialState.COMPLETE


def test_every_epoch_is_recorded_with_both_metrics_and_the_seed() -> None:
    study = optuna.create_study(direction="maximize", sampler=RandomSampler(seed=0))
    ended: list[int] = []
    searcher = StudySearcher(
        Proposals(study, SPACE, cost, trials=10), epochs=4, seed=7, ended=ended.append
    )
    searcher.suggest("a")
    for epoch in (1, 2, 3):
        searcher.on_trial_result("a", result(epoch, epoch / 10) | {"val_loss": 1.0 / epoch})
    searcher.on_trial_complete("a", result(4, 0.4) | {"val_loss": 0.25, "worker": "host:1"})
    outcome = last(searcher).user_attrs["outcome"]
    assert [epoch["val_acc"] for epoch in outcome["curve"]] == [0.1, 0.2, 0.3, 0.4]
    assert [epoch["val_loss"] for epoch in outcome["curve"]] == [1.0, 0.5, 1 / 3, 0.25]
    assert (outcome["seed"], outcome["worker"], ended) == (7, "host:1", [0])


def test_a_resumed_trials_first_result_tells_the_epochs_before_it(searcher: StudySearcher) -> None:
    searcher.suggest("a")
    earlier = [{"val_acc": 0.1, "val_loss": 3.0}, {"val_acc": 0.2, "val_loss": 2.0}]
    searcher.on_trial_result("a", result(3, 0.3) | {"val_loss": 1.0, "earlier": earlier})
    searcher.on_trial_complete("a", result(4, 0.4) | {"val_loss": 0.5, "earlier": []})
    assert last(searcher).intermediate_values == {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4}
    losses = [epoch["val_loss"] for epoch in last(searcher).user_attrs["outcome"]["curve"]]
    assert losses == [3.0, 2.0, 1.0, 0.5]


def test_a_trial_whose_worker_begins_again_has_each_epoch_once(searcher: StudySearcher) -> None:
    searcher.suggest("a")
    for epoch in (1, 2, 1, 2, 3):
        searcher.on_trial_result("a", result(epoch, epoch / 10))
    searcher.on_trial_complete("a", result(4, 0.4))
    assert last(searcher).intermediate_values == {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4}
    assert len(last(searcher).user_attrs["outcome"]["curve"]) == 4


def test_a_search_in_which_too_many_trials_fail_stops_and_says_why() -> None:
    study = optuna.create_study(direction="maximize", sampler=RandomSampler(seed=0))
    searcher = StudySearcher(
        Proposals(study, SPACE, cost, trials=30), epochs=4, max_failed_share=0.5
    )
    for name in "abcd":  # four of four, too few to say anything
        searcher.suggest(name)
        searcher.on_trial_complete(name, {"epoch": 0, "end": "error", "reason": "ValueError: no"})
        assert not searcher.stopped
    for name in "efgh":
        searcher.suggest(name)
        searcher.on_trial_complete(name, result(4))
    searcher.suggest("i")
    searcher.on_trial_complete("i", None, error=True)
    assert searcher.stopped
    assert searcher.abort_reason == "5 of 9 trials failed, more than a share of 0.5"
    assert last(searcher).state is TrialState.FAIL
    assert study.trials[0].user_attrs["outcome"]["reason"] == "ValueError: no"


def test_a_trial_whose_workers_are_killed_for_memory_is_infeasible_and_not_lost(
    searcher: StudySearcher,
) -> None:
    searcher.suggest("a")
    searcher.worker_deaths.kill_for_memory("a")
    searcher.worker_deaths.died(
        0
    )  # it recovered from the first kill, to report it, and was killed again
    searcher.on_trial_complete("a", None, error=True)
    assert last(searcher).state is TrialState.PRUNED
    assert last(searcher).constraints["memory"] > 0
    assert not searcher.failures.failed


def test_nothing_is_written_after_a_study_that_could_not_be_written(
    searcher: StudySearcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        searcher.suggest(name)
    full = OSError(28, "No space left on device")
    calls: list[object] = []

    def fail(*arguments: object, **_: object) -> None:
        calls.append(arguments)
        raise full

    monkeypatch.setattr(searcher.proposals.study, "tell", fail)
    searcher.on_trial_complete("a", result(4))
    assert (searcher.storage_error, searcher.stopped, len(calls)) == (full, True, 1)
    monkeypatch.setattr(searcher.proposals, "report", fail)
    searcher.on_trial_result("b", result(1))
    searcher.on_trial_complete("b", result(4))
    searcher.on_trial_complete("c", None, error=True)
    assert searcher.suggest("d") == Searcher.FINISHED
    assert len(calls) == 1
    assert {t.state for t in searcher.proposals.study.trials} == {TrialState.RUNNING}


def test_a_clock_that_is_set_changes_no_wall_time(
    searcher: StudySearcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    searcher.suggest("a")
    monkeypatch.setattr("time.time", lambda: 4e9)
    searcher.on_trial_complete("a", result(4))
    assert 0 <= last(searcher).user_attrs["outcome"]["seconds"] < 60


def test_only_what_was_trained_to_its_end_and_keeps_the_constraints_is_ranked_or_best(
    searcher: StudySearcher,
) -> None:
    study = searcher.proposals.study
    for name, value, epochs in (("low", 0.4, 4), ("high", 0.5, 4), ("stopped", 0.9, 2)):
        searcher.suggest(name)
        if name == "high":
            high = str(searcher.running[name].architecture)
        searcher.on_trial_complete(name, result(epochs, value) | {"done": True})
    assert (searcher.best.value, searcher.best.architecture) == (0.5, high)
    searcher.suggest("over")
    searcher.running["over"].trial.set_constraint("params", 1.0)
    searcher.on_trial_complete("over", result(4, 0.9))
    ranked = ranking(study, SPACE)
    assert [values for _, values in ranked] == [[0.5], [0.4]]
    assert str(ranked[0][0]) == high
    assert (incumbent_of(study, SPACE).value, incumbent_of(study, SPACE).architecture) == (
        0.5,
        high,
    )


@pytest.mark.parametrize(
    ("objectives", "metric", "value"),
    [
        ([maximize("val_acc")], "val_acc", 0.6),
        ([minimize("val_loss")], "val_loss", 1.0),
        ([minimize("macs"), maximize("val_acc")], "val_acc", 0.6),
        ([minimize("macs")], "val_acc", 0.6),
    ],
)
def test_a_new_driver_knows_the_best_of_the_earlier_ones(
    objectives: list[Objective], metric: str, value: float
) -> None:
    space = replace(SPACE, objectives=tuple(objectives))
    study = optuna.create_study(
        directions=[objective.direction for objective in objectives], sampler=RandomSampler(seed=0)
    )
    first = StudySearcher(Proposals(study, space, cost, trials=10), epochs=4)
    assert not first.best.architecture
    for name, val_acc, val_loss in (("a", 0.5, 1.0), ("b", 0.6, 2.0)):
        first.suggest(name)
        first.on_trial_complete(name, result(4, val_acc) | {"val_loss": val_loss})
    second = StudySearcher(Proposals(study, space, cost, trials=10), epochs=4)
    assert second.best == first.best
    assert (second.best.objective.metric, second.best.value) == (metric, value)
    second.suggest("c")
    second.on_trial_complete("c", result(4, 0.1) | {"val_loss": 3.0})
    assert second.best == first.best, "a worse one"


def test_a_trial_that_tune_gives_up_too_early_comes_again(searcher: StudySearcher) -> None:
    searcher.suggest("a")
    proposal = searcher.running["a"]
    searcher.worker_deaths.died(
        proposal.number
    )  # recovered once; then Tune ends it over the same death
    searcher.on_trial_complete("a", None, error=True)
    assert last(searcher).state is TrialState.RUNNING
    searcher.suggest("b")
    assert searcher.running["b"] is proposal
    for _ in range(2):
        searcher.worker_deaths.died(proposal.number)
    searcher.on_trial_complete("b", None, error=True)
    assert last(searcher).user_attrs["end"] == "lost"


def test_the_search_is_not_finished_while_a_trial_may_come_again(searcher: StudySearcher) -> None:
    searcher.proposals.trials = 1
    searcher.suggest("a")
    proposal = searcher.running["a"]
    assert searcher.suggest("b") is None
    searcher.worker_deaths.died(proposal.number)
    searcher.on_trial_complete("a", None, error=True)
    assert searcher.suggest("b") is not None
    assert searcher.running["b"] is proposal
    searcher.on_trial_complete("b", result(4))
    assert searcher.suggest("c") == Searcher.FINISHED


def test_a_trial_whose_workers_die_as_they_start_does_not_come_again_for_ever(
    searcher: StudySearcher,
) -> None:
    searcher.suggest("0")
    proposal = searcher.running["0"]
    searcher.worker_deaths.died(proposal.number)
    times = 0
    while last(searcher).state is TrialState.RUNNING:
        searcher.on_trial_complete(str(times), None, error=True)
        times += 1
        if proposal in searcher.proposals.unfinished:
            searcher.suggest(str(times))
    assert times == 3
    assert last(searcher).user_attrs["end"] == "lost"


@pytest.mark.parametrize("end", ["not_finite", "out_of_memory", "error"])
def test_a_trial_that_fails_has_the_metrics_of_its_last_whole_epoch(
    searcher: StudySearcher, end: str
) -> None:
    for trial_id, epochs in (("a", 2), ("b", 0)):
        searcher.suggest(trial_id)
        for epoch in range(1, epochs + 1):
            searcher.on_trial_result(trial_id, result(epoch, epoch / 10))
        filled = result(epochs, 0.0) | {"val_loss": 1e9, "end": end, "reason": "why"}
        searcher.on_trial_complete(trial_id, filled)
        outcome = last(searcher).user_attrs["outcome"]
        assert outcome["metrics"] == ({"val_acc": 0.2} if epochs else {})
        assert (outcome["end"], outcome["epochs"], outcome["reason"]) == (end, epochs, "why")


def test_a_trial_that_is_lost_has_what_is_known_of_it(searcher: StudySearcher) -> None:
    searcher.suggest("a")
    number = searcher.running["a"].number
    for epoch in (1, 2):
        searcher.on_trial_result("a", result(epoch, epoch / 10) | {"worker": "node:7"})
    searcher.worker_deaths.died(number)
    searcher.on_trial_complete("a", None, error=True)
    searcher.suggest("b")  # it comes again under another id, and no worker lives for an epoch
    assert searcher.running["b"].number == number
    for _ in range(3):
        searcher.worker_deaths.died(number)
    searcher.on_trial_complete("b", None, error=True)
    outcome = last(searcher).user_attrs["outcome"]
    assert (outcome["end"], outcome["epochs"], outcome["worker"]) == ("lost", 2, "node:7")
    assert outcome["curve"] == [{"val_acc": 0.1}, {"val_acc": 0.2}]
    assert outcome["reason"] == "its workers died 4 times"


def test_a_function_that_would_end_every_trial_ends_the_search_at_the_first(
    searcher: StudySearcher,
) -> None:
    reason = "train() ended without a report; call report(val_acc=…)"
    searcher.suggest("a")
    bad = {"epoch": 0, "end": "error", "reason": reason, "done": True}
    searcher.on_trial_complete("a", bad | {"misuse": False})
    assert not searcher.stopped
    searcher.suggest("b")
    searcher.on_trial_complete("b", bad | {"misuse": True})
    assert (searcher.stopped, searcher.misused) == (True, True)
    assert searcher.abort_reason == reason
    assert searcher.suggest("c") == Searcher.FINISHED
