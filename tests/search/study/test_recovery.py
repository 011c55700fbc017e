"""A study that a driver left, in every state in which it can die: no cluster here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from se_nas import SE, Space, choice, maximize, minimize, optional, params, per_stage, trunk
from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Cost, cost
from se_nas.search.study.journal import BatchedJournal, repair_journal
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.records import Outcome, Proposal
from se_nas.search.study.recovery import recover

SPACE = Space(
    "small",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4)))),
    constraints=[params <= 90e3],
)


def price(architecture: Architecture) -> Cost:
    return cost(architecture, input_size=8, in_channels=1, num_classes=10)


def driver(
    journal: Path,
    space: Space = SPACE,
    trials: int = 8,
    seed: int = 0,
    backend: type[JournalFileBackend] = JournalFileBackend,
) -> Proposals:
    """Proposals as a process makes them when it begins, on the study in a file."""
    study = optuna.create_study(
        study_name="run",
        storage=JournalStorage(backend(str(journal))),
        sampler=RandomSampler(seed=seed),
        directions=[objective.direction for objective in space.objectives],
        load_if_exists=True,
    )
    proposals = Proposals(study, space, price, trials=trials, seed=seed)
    recover(proposals)
    return proposals


def ask(proposals: Proposals) -> Proposal:
    proposal = proposals.ask()
    assert proposal is not None
    return proposal


def finish(proposals: Proposals, proposal: Proposal, value: float, end: Any = "complete") -> None:
    proposals.report(proposal, 1, {"val_acc": value})
    proposals.tell(proposal, Outcome(end, {"val_acc": value}, 1))


def names(proposals: Proposals) -> list[tuple[int, str, TrialState]]:
    return [(t.number, t.user_attrs["id"], t.state) for t in trained(proposals)]


def trained(proposals: Proposals) -> list[optuna.trial.FrozenTrial]:
    return [t for t in proposals.study.trials if "id" in t.user_attrs]


def test_what_ended_stays_and_what_was_running_goes_on_first(tmp_path: Path) -> None:
    first = driver(tmp_path / "journal")
    done = [ask(first), ask(first)]
    for i, proposal in enumerate(done):
        finish(first, proposal, 0.1 * i)
    running = [ask(first) for _ in range(3)]
    first.report(running[1], 1, {"val_acc": 0.7})
    first.report(running[1], 2, {"val_acc": 0.8})

    second = driver(tmp_path / "journal", seed=1)
    assert second.counts.accepted == 5
    assert second.counts.ends == {"complete": 2}
    again = [ask(second) for _ in range(3)]
    assert [p.number for p in again] == [p.number for p in running]
    assert [p.architecture.id for p in again] == [p.architecture.id for p in running]
    assert [p.cost for p in again] == [p.cost for p in running]
    second.report(again[1], 2, {"val_acc": 0.8})  # the last epoch is trained again
    second.report(again[1], 3, {"val_acc": 0.9})
    for proposal in again:
        finish(second, proposal, 0.5)
    while (proposal := second.ask()) is not None:
        finish(second, proposal, 0.5)
    ids = [architecture_id for _, architecture_id, _ in names(second)]
    assert len(ids) == len(set(ids)) == 8
    assert {state for _, _, state in names(second)} == {TrialState.COMPLETE}
    resumed = second.study.trials[running[1].number]
    assert resumed.intermediate_values == {1: 0.7, 2: 0.8, 3: 0.9}


def test_a_study_that_is_done_asks_for_nothing(tmp_path: Path) -> None:
    first = driver(tmp_path / "journal", trials=3)
    while (proposal := first.ask()) is not None:
        finish(first, proposal, 0.5)
    second = driver(tmp_path / "journal", trials=3)
    assert second.ask() is None
    assert names(second) == names(first)
    assert second.counts.rejected == first.counts.rejected
    assert second.counts.duplicates == first.counts.duplicates
    third = driver(tmp_path / "journal", trials=4)
    assert third.ask() is not None
    assert third.ask() is None


def test_a_driver_may_die_at_any_write(tmp_path: Path) -> None:
    """The journal cut after each of its lines: every time the run ends as it should."""
    whole = tmp_path / "whole"
    first = driver(whole, trials=4)
    for i in range(4):
        finish(first, ask(first), 0.1 * i)
    lines = whole.read_bytes().splitlines(keepends=True)
    assert len(lines) > 30
    for cut in range(1, len(lines)):
        journal = tmp_path / f"cut{cut}"
        journal.write_bytes(b"".join(lines[:cut]))
        before = names(driver(journal, trials=0))
        resumed = driver(journal, trials=4, seed=cut)
        while (proposal := resumed.ask()) is not None:
            finish(resumed, proposal, 0.5)
        after = names(resumed)
        assert len({architecture_id for _, architecture_id, _ in after}) == len(after) == 4
        assert [row[:2] for row in after[: len(before)]] == [row[:2] for row in before]
        states = {trial.state for trial in resumed.study.trials}
        assert states <= {TrialState.COMPLETE, TrialState.PRUNED}, cut


def test_the_journal_may_be_cut_at_any_byte_of_its_last_records(tmp_path: Path) -> None:
    """Batches as a search writes them; what is whole stays, and each result is told once."""
    whole, journal = tmp_path / "whole", tmp_path / "journal"
    first = driver(whole, trials=4, backend=BatchedJournal)
    for i in range(3):
        finish(first, ask(first), 0.1 * i)
    running = ask(first)
    first.report(running, 1, {"val_acc": 0.7})
    finish(first, running, 0.8)
    content = whole.read_bytes()
    lines = content.splitlines(keepends=True)
    ends = [sum(map(len, lines[:i])) for i in range(len(lines) + 1)]
    tail = ends[-(len(lines) // 4) - 2]  # the last trial, and the end of the one before it
    assert len(content) - tail > 1500
    for cut in range(tail, len(content)):
        journal.unlink(missing_ok=True)  # faster than to replace its content
        journal.write_bytes(content[:cut])
        told = repair_journal(journal)
        kept = journal.stat().st_size
        assert kept == max(end for end in ends if end <= cut + 1), "no more and no less"
        assert bool(told) == (kept < cut)
        assert journal.read_bytes() == content[:kept]
        if told:
            (beside,) = tmp_path.glob("journal.cut-*")
            assert beside.read_bytes() == content[kept:cut]
            beside.unlink()
    for kept in (end for end in ends if end >= tail):
        journal.write_bytes(content[:kept])
        before = {
            t.number: t.value
            for t in driver(journal, trials=0).study.trials
            if t.state is TrialState.COMPLETE
        }
        resumed = driver(journal, trials=4, seed=kept, backend=BatchedJournal)
        while (proposal := resumed.ask()) is not None:
            finish(resumed, proposal, 0.5)
        after = {t.number: t.value for t in trained(resumed)}
        assert len({row[1] for row in names(resumed)}) == len(after) == 4
        assert before.items() <= after.items()
        ends_told = [json.loads(line) for line in journal.read_bytes().splitlines()]
        ends_told = [r["trial_id"] for r in ends_told if r["op_code"] == 6 and r["state"] in (1, 2)]
        assert len(set(ends_told)) == len(ends_told)


def test_a_duplicate_that_waited_gets_its_twins_result_from_the_next_driver(
    tmp_path: Path,
) -> None:
    space = Space("tiny", trunk="resnet8_small", se=optional(SE(reduction=choice(2, 4))))
    first = driver(tmp_path / "journal", space, trials=3)
    running = [ask(first) for _ in range(3)]
    waiting = [first.study.ask() for _ in range(4)]
    for trial in waiting:
        assert first._consider(trial, space.suggest(trial)) is None
    assert first.counts.duplicates >= 4

    second = driver(tmp_path / "journal", space, trials=3, seed=1)
    by_id = {p.architecture.id: i / 10 for i, p in enumerate(running)}
    for proposal in [ask(second) for _ in running]:
        finish(second, proposal, by_id[proposal.architecture.id])
    for trial in second.study.trials:
        repeated = "duplicate" in trial.user_attrs
        assert trial.state is (TrialState.PRUNED if repeated else TrialState.COMPLETE)
        architecture = Architecture.parse(trial.user_attrs["name"])
        assert trial.user_attrs["outcome"]["metrics"]["val_acc"] == by_id[architecture.id]


@pytest.mark.parametrize("end", ["error", "lost"])
def test_what_failed_may_come_again_under_the_next_driver(end: str, tmp_path: Path) -> None:
    space = Space("tiny", trunk="resnet8_small", se=optional(SE(reduction=choice(2, 4))))
    first = driver(tmp_path / "journal", space, trials=3)
    failed = ask(first)
    finish(first, failed, 0.0, end)
    assert first.study.trials[failed.number].state is TrialState.FAIL
    second = driver(tmp_path / "journal", space, trials=3)
    ids = {ask(second).architecture.id for _ in range(3)}
    assert failed.architecture.id in ids


def test_several_objectives_go_on_too(tmp_path: Path) -> None:
    goals = [maximize("val_acc"), minimize("macs")]
    space = Space("two", trunk=SPACE.trunk, se=SPACE.se, objectives=goals)
    running = ask(driver(tmp_path / "journal", space))
    second = driver(tmp_path / "journal", space)
    again = ask(second)
    second.tell(again, Outcome("complete", {"val_acc": 0.5}, 1))
    assert again.number == running.number
    assert second.study.trials[0].values == [0.5, float(running.cost.macs)]


def test_a_network_that_was_enqueued_and_not_asked_for_is_trained_and_answers_nothing_else(
    tmp_path: Path,
) -> None:
    first = driver(tmp_path / "journal")
    known = [a for a in SPACE if price(a).params <= 90e3][:2]
    decisions = SPACE.decisions(known[0])
    assert decisions is not None
    first.study.enqueue_trial(decisions)
    again = driver(tmp_path / "journal")
    again.initial = iter(known)
    assert [ask(again).architecture for _ in range(2)] == known
    assert not any(t.state is TrialState.WAITING for t in again.study.trials)
