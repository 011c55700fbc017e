"""A trial of a study is read in one place: what became of it, and under which names."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from se_nas import SE, Space, choice, optional, per_stage
from se_nas.cost.network_cost import cost
from se_nas.search.study.drivers import OneDriver
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.records import Outcome, Record, State, is_feasible, records
from se_nas.search.study.study import quiet_optuna

SPACE = Space(
    "small",
    trunk="resnet8_small",
    se=per_stage(optional(SE(reduction=choice(2, 4)))),
)
OUTCOME = asdict(Outcome("complete", {"val_acc": 0.5}, 1))
NETWORK = {"architecture": "{}", "id": "a", "cost": {}}


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study(direction="maximize", sampler=RandomSampler(seed=0))


@pytest.mark.parametrize(
    ("state", "attributes", "expected"),
    [
        (TrialState.WAITING, {}, "enqueued"),
        (TrialState.RUNNING, {}, "undecided"),
        (TrialState.RUNNING, {"duplicate": True, "outcome": OUTCOME}, "undecided"),
        (TrialState.RUNNING, {"end": "rejected"}, "undecided"),
        (TrialState.PRUNED, {"end": "rejected"}, "rejected"),
        (TrialState.PRUNED, {"duplicate": True, "end": "complete"}, "duplicate"),
        (TrialState.FAIL, {"duplicate": True, "end": "error"}, "duplicate"),
        (TrialState.PRUNED, {"duplicate": True, "end": "repeated"}, "duplicate"),
        (TrialState.PRUNED, {"end": "surplus"}, "surplus"),
        (TrialState.RUNNING, NETWORK, "running"),
        (TrialState.RUNNING, {"architecture": "{}"}, "running"),
        (TrialState.RUNNING, NETWORK | {"end": "error", "outcome": OUTCOME}, "told_half"),
        (TrialState.FAIL, NETWORK | {"end": "error", "outcome": OUTCOME}, "failed"),
        (TrialState.FAIL, NETWORK | {"end": "lost", "outcome": OUTCOME}, "failed"),
        (TrialState.PRUNED, NETWORK | {"end": "out_of_memory", "outcome": OUTCOME}, "ended"),
        (TrialState.PRUNED, NETWORK | {"end": "complete", "outcome": OUTCOME}, "ended"),
    ],
)
def test_what_became_of_a_trial(
    study: optuna.Study, state: TrialState, attributes: dict[str, Any], expected: State
) -> None:
    study.add_trial(optuna.trial.create_trial(state=state, user_attrs=attributes))
    [record] = records(study)
    assert record.state == expected
    assert record.trained == ("architecture" in attributes)
    assert record.priced == ("cost" in attributes)
    assert record.outcome == (Outcome(**OUTCOME) if "outcome" in attributes else None)


def test_the_names_in_a_study_are_those_of_earlier_versions(study: optuna.Study) -> None:
    proposals = Proposals(study, SPACE, cost, trials=2)
    proposal = proposals.ask()
    assert proposal is not None
    outcome = Outcome("complete", {"val_acc": 0.5}, 1)
    proposals.tell(proposal, outcome)
    attributes = study.trials[proposal.number].user_attrs
    assert set(attributes) == {
        *("name", "architecture", "id", "cost", "asked", "told", "end", "outcome")
    }
    record = Record.of(study.trials[proposal.number])
    assert record == Record(
        proposal.number,
        "ended",
        name=str(proposal.architecture),
        architecture=proposal.architecture.to_json(),
        id=proposal.architecture.id,
        priced=True,
        outcome=outcome,
        asked=1,
        told=2,
    )


def test_an_outcome_of_an_early_version_lacks_what_came_later(study: optuna.Study) -> None:
    early = NETWORK | {"end": "complete", "outcome": {"end": "complete", "metrics": {}}}
    study.add_trial(optuna.trial.create_trial(value=0.5, user_attrs=early))
    [record] = records(study)
    assert record.outcome == Outcome("complete", {})
    assert (record.asked, record.told) == (0, 0)


def test_a_network_without_memory_is_not_feasible(study: optuna.Study) -> None:
    proposals = Proposals(study, SPACE, cost, trials=2)
    for end in ("complete", "out_of_memory"):
        proposal = proposals.ask()
        assert proposal is not None
        proposals.tell(proposal, Outcome(end, {"val_acc": 0.5}))  # type: ignore[arg-type]
    ended = [t for t in study.trials if "id" in t.user_attrs]
    assert [is_feasible(trial) for trial in ended] == [True, False]


def test_one_driver_owns_everything_and_is_never_too_late(study: optuna.Study) -> None:
    alone = OneDriver(study)
    asked = alone.ask(SPACE.decisions(SPACE.sample(0)))
    assert SPACE.suggest(asked) == SPACE.sample(0)
    assert alone.claim(asked, {"id": "a"}, trials=0) == "ours"
    assert study.trials[0].user_attrs == {"id": "a"}
    assert alone.owns(study.trials[0])
    assert list(alone.changed_trials()) == []
    assert alone.alone


def test_optuna_is_quiet_only_while_a_study_is_made() -> None:
    before = optuna.logging.get_verbosity()
    try:
        for level in (optuna.logging.INFO, optuna.logging.ERROR):
            optuna.logging.set_verbosity(level)
            with quiet_optuna():
                assert optuna.logging.get_verbosity() == max(level, optuna.logging.WARNING)
            assert optuna.logging.get_verbosity() == level
    finally:
        optuna.logging.set_verbosity(before)
