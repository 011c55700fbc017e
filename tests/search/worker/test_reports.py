"""The words between a trial and the driver."""

from __future__ import annotations

from se_nas.search.worker.reports import (
    ENDS,
    FAILED,
    LABELS,
    READY,
    WORST,
    TrialReport,
    is_epoch,
    read_report,
    ready_first,
)


def test_every_end_has_a_label_of_its_own() -> None:
    assert tuple(LABELS) == ENDS
    assert len(set(LABELS.values())) == len(ENDS)
    assert set(FAILED) < set(ENDS)


def test_the_ends_that_studies_and_kept_retrainings_have_are_these() -> None:
    # Runs that are there have these words: a new one may come, none may go.
    stored = {"complete", "stopped_early", "not_finite", "out_of_memory", "error", "lost"}
    assert stored <= set(ENDS)


def test_a_worker_that_is_up_reports_what_tune_asks_for_and_is_never_the_best() -> None:
    assert READY["ready"]
    assert {**READY, **WORST} == READY
    assert set(READY) <= set(TrialReport.__annotations__)


def test_a_trial_without_a_report_has_an_empty_one() -> None:
    assert read_report(None) == {}
    assert is_epoch(read_report({"epoch": 3, "end": ""}))
    assert not is_epoch(read_report({"epoch": 3, "end": "lost"}))


def test_a_worker_says_once_that_it_is_up() -> None:
    class Trial:
        @ready_first
        def step(self) -> dict[str, object]:
            return {"epoch": 1}

    one, two = Trial(), Trial()
    assert [one.step(), one.step(), one.step()] == [READY, {"epoch": 1}, {"epoch": 1}]
    assert two.step() == READY
    first = Trial().step()
    first["epoch"] = 7
    assert READY["epoch"] == 0, "Tune adds to what it is given"
