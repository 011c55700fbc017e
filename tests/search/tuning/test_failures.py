"""Tracebacks are kept, one line each is said, and a worker killed for memory is not tried again."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from se_nas.search.config import MAX_DEATHS
from se_nas.search.run_dir.directory import RunDirectory, last_error
from se_nas.search.tuning.failures import FailureBudget, FailureCallback
from se_nas.search.tuning.worker_deaths import WorkerDeaths
from se_nas.texts import printable


@pytest.fixture
def kept(tmp_path: Path) -> tuple[FailureCallback, io.StringIO]:
    run = RunDirectory(tmp_path)
    run.make_folders()
    printed = io.StringIO()
    return FailureCallback(run, Console(file=printed, width=300), WorkerDeaths()), printed


def trial(error_file: Path | None = None, **result: Any) -> Any:
    config = {"number": 7, "name": "resnet8_small"}
    return SimpleNamespace(
        trial_id="id7",
        config=config,
        last_result=result,
        error_file=error_file,
        run_metadata=SimpleNamespace(num_failures=1),
    )


def test_a_bug_is_one_line_on_the_screen_and_a_traceback_in_the_run(
    kept: tuple[FailureCallback, io.StringIO],
) -> None:
    callback, printed = kept
    text = "Traceback (most recent call last):\n  ...\nValueError: no"
    callback.on_trial_complete(0, [], trial(end="error", reason="ValueError: no", traceback=text))
    assert printed.getvalue().count("\n") == 1
    assert "trial 7 failed: ValueError: no" in printed.getvalue()
    assert text in (callback.run.errors / "trial-00007.txt").read_text()
    assert last_error(callback.run) == " (ValueError: no)"
    callback.on_trial_complete(0, [], trial(end="", val_acc=0.5))
    assert printed.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    "reason", ["[/b] in brackets", "[old] :smile:", "\x1b[31mred\r\n", "\udcff.png", "\u202eagnp"]
)
def test_a_reason_of_any_characters_is_one_line_as_it_is(
    reason: str, kept: tuple[FailureCallback, io.StringIO]
) -> None:
    callback, printed = kept
    failed = trial(end="error", reason=reason, traceback=f"Traceback\n{reason}")
    callback.on_trial_complete(0, [], failed)
    [line] = printed.getvalue().splitlines()
    assert f"trial 7 failed: {printable(reason)} (" in line
    assert line.isprintable()
    assert "Traceback" in (callback.run.errors / "trial-00007.txt").read_text()


def test_a_trial_whose_workers_die_again_and_again_is_said_once(
    kept: tuple[FailureCallback, io.StringIO],
) -> None:
    callback, printed = kept
    callback.deaths.retry("id7")
    callback.on_trial_error(0, [], trial())
    assert not printed.getvalue()
    callback.deaths = WorkerDeaths()
    callback.on_trial_error(0, [], trial())
    assert "trial 7 is lost: its worker died (" in printed.getvalue()
    printed.truncate(printed.seek(0))
    for _ in range(4):
        callback.deaths.died(7)
    callback.on_trial_error(0, [], trial())
    assert printed.getvalue().count("\n") == 1
    assert "trial 7 is lost: its workers died 4 times" in printed.getvalue()


@pytest.mark.parametrize(
    ("last", "memory"),
    [
        ("Task was killed due to the node running low on memory.\n", True),
        ("The actor died unexpectedly before finishing this task.\n", False),
    ],
)
def test_only_a_worker_that_was_killed_for_memory_is_not_tried_again(
    last: str, memory: bool, kept: tuple[FailureCallback, io.StringIO], tmp_path: Path
) -> None:
    noted = tmp_path / "error.txt"
    noted.write_text(f"Failure # 1 (occurred at x)\nThe actor died.\nFailure # 2 (y)\n{last}")
    died = trial(noted)
    kept[0].on_trial_recover(0, [], died)
    assert died.config.get("out_of_memory", False) is memory
    assert kept[0].deaths.killed_for_memory("id7") is memory
    kept[0].on_trial_recover(0, [], died)  # another worker is killed over it
    kept[0].on_trial_error(0, [], died)
    assert kept[1].getvalue().count("\n") == 1
    assert ("does not fit" in kept[1].getvalue()) is memory


def test_the_share_that_may_fail() -> None:
    never = FailureBudget(1.0)
    assert not any(never.count("error") for _ in range(50))
    half = FailureBudget(0.5)
    told = [half.count(end) for end in ("complete",) * 5 + ("lost", "error") * 3]  # type: ignore[arg-type]
    assert told[:-1] == [""] * 10
    assert told[-1] == "6 of 11 trials failed, more than a share of 0.5"


def test_a_trial_goes_on_three_times_whatever_tune_calls_it(
    kept: tuple[FailureCallback, io.StringIO],
) -> None:
    callback, _ = kept
    first, again = trial(), trial()
    callback.on_trial_recover(0, [], first)
    callback.on_trial_recover(0, [], again)
    assert again.run_metadata.num_failures == 1, "as Tune counted"
    callback.on_trial_recover(0, [], again)
    assert callback.deaths.count(7) == again.run_metadata.num_failures == MAX_DEATHS
