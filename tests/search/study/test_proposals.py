"""Proposals against real Optuna studies, with a made-up trainer: no Ray here."""

from __future__ import annotations

import random
from collections.abc import Iterable

import optuna
import pytest
from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import TrialState

from se_nas import SE, Space, choice, maximize, minimize, optional, params, per_stage, trunk
from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Cost, cost
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.records import Outcome, Proposal

SPACE = Space(
    "small",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4)))),
)


def price(architecture: Architecture) -> Cost:
    return cost(architecture, input_size=8, in_channels=1, num_classes=10)


def make(
    space: Space = SPACE,
    trials: int = 10,
    sampler: optuna.samplers.BaseSampler | None = None,
    first: Iterable[Architecture] = (),
    sampled: bool = True,
) -> Proposals:
    study = optuna.create_study(
        directions=[o.direction for o in space.objectives], sampler=sampler or RandomSampler(seed=0)
    )
    return Proposals(study, space, price, trials=trials, initial=first, sampled=sampled)


def ask(proposals: Proposals) -> Proposal:
    proposal = proposals.ask()
    assert proposal is not None
    return proposal


def complete(proposals: Proposals, proposal: Proposal, val_acc: float, epochs: int = 2) -> None:
    for epoch in range(1, epochs + 1):
        proposals.report(proposal, epoch, {"val_acc": val_acc * epoch / epochs})
    proposals.tell(proposal, Outcome("complete", {"val_acc": val_acc}, epochs))


def test_every_accepted_architecture_is_another_network() -> None:
    proposals = make(trials=30)
    ids: set[str] = set()
    while (proposal := proposals.ask()) is not None:
        assert proposal.architecture.id not in ids
        ids.add(proposal.architecture.id)
        complete(proposals, proposal, 0.5)
    assert len(ids) == 30
    assert proposals.counts.accepted == 30


def test_a_small_space_is_searched_to_its_end_and_no_further() -> None:
    distinct = {a.id for a in SPACE}
    proposals = make(trials=1000, sampler=TPESampler(seed=0))
    ids: set[str] = set()
    while (proposal := proposals.ask()) is not None:
        ids.add(proposal.architecture.id)
        complete(proposals, proposal, random.Random(proposal.architecture.id).random())
    assert ids == distinct
    assert proposals.exhausted


def test_a_duplicate_names_the_first_ones_outcome_and_adds_no_value() -> None:
    proposals = make(trials=1000)
    while (proposal := proposals.ask()) is not None:
        complete(proposals, proposal, random.Random(proposal.architecture.id).random())
    trained = {t.user_attrs["name"]: t for t in proposals.study.trials if "id" in t.user_attrs}
    repeated = [t for t in proposals.study.trials if "duplicate" in t.user_attrs]
    assert len(repeated) == proposals.counts.duplicates > 0
    assert len(trained) + len(repeated) == len(proposals.study.trials)
    assert {t.state for t in trained.values()} == {TrialState.COMPLETE}
    for trial in repeated:
        first = trained[trial.user_attrs["name"]]
        assert (trial.state, trial.value) == (TrialState.PRUNED, None)
        assert trial.intermediate_values == {}
        assert trial.user_attrs["outcome"] == first.user_attrs["outcome"]


def test_a_duplicate_of_a_running_trial_waits_for_its_result() -> None:
    space = Space("two", trunk="resnet8_small", se=optional(SE(reduction=4)))
    proposals = make(space, trials=10)
    first, second = ask(proposals), ask(proposals)
    assert proposals.ask() is None  # both networks run: nothing is left
    waiting = proposals.study.get_trials(states=(TrialState.RUNNING,))
    assert len(waiting) == 2 + proposals.counts.duplicates > 2
    complete(proposals, first, 0.25)
    complete(proposals, second, 0.75)
    assert not proposals.study.get_trials(states=(TrialState.RUNNING,))
    told = proposals.study.trials
    by_name = {t.user_attrs["name"]: t.user_attrs["outcome"]["metrics"]["val_acc"] for t in told}
    assert by_name == {str(first.architecture): 0.25, str(second.architecture): 0.75}
    assert [t.state for t in told].count(TrialState.COMPLETE) == 2


@pytest.mark.parametrize(
    ("end", "state", "constraint"),
    [
        ("stopped_early", TrialState.PRUNED, None),
        ("not_finite", TrialState.PRUNED, None),
        ("out_of_memory", TrialState.PRUNED, 1.0),
        ("error", TrialState.FAIL, None),
        ("lost", TrialState.FAIL, None),
    ],
)
def test_the_study_is_told_how_a_trial_ended(
    end: str, state: TrialState, constraint: float | None
) -> None:
    proposals = make()
    proposal = ask(proposals)
    proposals.report(proposal, 1, {"val_acc": 0.4})
    proposals.tell(proposal, Outcome(end, {"val_acc": 0.4}, 1, 3.0, "host:1"))  # type: ignore[arg-type]
    trial = proposals.study.trials[0]
    assert trial.state is state
    assert trial.intermediate_values == {1: 0.4}
    assert trial.constraints.get("memory") == constraint
    assert trial.user_attrs["end"] == end
    assert trial.user_attrs["outcome"]["worker"] == "host:1"


def test_a_value_that_is_not_finite_is_no_intermediate_value() -> None:
    proposals = make()
    proposal = ask(proposals)
    proposals.report(proposal, 1, {"val_acc": float("nan")})
    proposals.tell(proposal, Outcome("not_finite", {}, 1))
    assert proposals.study.trials[0].intermediate_values == {}


def test_proposals_that_break_a_constraint_are_told_and_never_accepted() -> None:
    space = Space("tight", trunk=SPACE.trunk, se=SPACE.se, constraints=[params <= 21_000])
    proposals = make(space, trials=8)
    accepted = [ask(proposals) for _ in range(8)]
    assert all(p.cost.params <= 21_000 for p in accepted)
    rejected = [t for t in proposals.study.trials if t.user_attrs.get("end") == "rejected"]
    assert len(rejected) == proposals.counts.rejected > 0
    for trial in rejected:
        assert trial.state is TrialState.PRUNED
        assert trial.constraints["params <= 21,000"] > 0


def test_a_space_that_lets_little_through_is_still_answered_in_bounded_time() -> None:
    cheapest = min(price(a).params for a in SPACE)
    space = Space("least", trunk=SPACE.trunk, se=SPACE.se, constraints=[params <= cheapest])
    proposals = make(space, trials=5)
    only = ask(proposals)
    assert only.cost.params == cheapest
    assert proposals.ask() is None
    assert proposals.exhausted


def test_several_objectives_are_told_as_a_vector() -> None:
    space = Space(
        "two", trunk=SPACE.trunk, se=SPACE.se, objectives=[maximize("val_acc"), minimize("macs")]
    )
    proposals = make(space)
    proposal = ask(proposals)
    complete(proposals, proposal, 0.5)
    trial = proposals.study.trials[0]
    assert trial.values == [0.5, float(proposal.cost.macs)]
    assert trial.intermediate_values == {}


def test_the_same_seed_proposes_the_same() -> None:
    def names(seed: int) -> list[str]:
        proposals = make(trials=12, sampler=TPESampler(seed=seed))
        found: list[str] = []
        while (proposal := proposals.ask()) is not None:
            found.append(str(proposal.architecture))
            complete(proposals, proposal, random.Random(found[-1]).random())
        return found

    assert names(1) == names(1)
    assert names(1) != names(2)


def test_known_networks_are_proposed_first_in_their_order_and_once() -> None:
    known = [SPACE.sample(i) for i in (3, 1, 3)]
    proposals = make(trials=5, first=known)
    asked = [ask(proposals).architecture for _ in range(5)]
    assert asked[:2] == known[:2]
    assert len({a.id for a in asked}) == 5


def test_a_grid_is_every_feasible_network_once_in_the_spaces_order() -> None:
    space = Space("tight", trunk=SPACE.trunk, se=SPACE.se, constraints=[params <= 21_000])
    expected = {a.id: None for a in space if price(a).params <= 21_000}
    proposals = make(space, trials=1000, first=space, sampled=False)
    found: list[str] = []
    while (proposal := proposals.ask()) is not None:
        found.append(proposal.architecture.id)
        complete(proposals, proposal, 0.5)
    assert found == list(expected)
    assert proposals.exhausted
    assert len(proposals.study.trials) == len(expected)


def test_the_order_of_asks_and_tells_is_in_the_study() -> None:
    proposals = make(trials=3)
    one, two = ask(proposals), ask(proposals)
    complete(proposals, two, 0.5)
    three = ask(proposals)
    complete(proposals, three, 0.5)
    complete(proposals, one, 0.5)
    events = {p.number: p.trial.user_attrs for p in (one, two, three)}
    order = [(events[p.number]["asked"], events[p.number]["told"]) for p in (one, two, three)]
    assert order == [(1, 6), (2, 3), (4, 5)]
