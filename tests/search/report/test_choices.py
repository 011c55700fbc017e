"""Plots of what was chosen: their numbers are the run's, and few trials have none."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from made_runs import made

from se_nas import Architecture
from se_nas.search.report.choices import MOST_LINES, importance, parallel
from se_nas.search.report.contents import Contents, read


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    return read(made(tmp_path_factory.mktemp("runs"), trials=40))


def rows(text: str) -> list[dict[str, str]]:
    return [*csv.DictReader(io.StringIO(text))]


def test_importances_are_the_studys(contents: Contents) -> None:
    chart = importance(contents)
    assert chart is not None
    told = [(row["parameter"], float(row["importance"])) for row in rows(chart.csv)]
    assert told == list(contents.importances)
    assert chart.figure["data"][0]["y"][-1] == told[0][0]  # the largest is on top


def test_each_complete_trial_has_its_choices(contents: Contents) -> None:
    chart = parallel(contents, contents.trials)
    assert chart is not None
    complete = {t.number: t for t in contents.trials if t.end == "complete"}
    told = rows(chart.csv)
    assert {int(row["number"]) for row in told} == set(complete)
    for row in told:
        architecture = Architecture.parse(row["name"])
        assert row["trunk"] == str(Architecture(architecture.trunk))
        for stage, se in architecture.stages.items():
            assert row[f"stage {stage}"] == ("none" if se is None else f"r{se.reduction:g}")
        assert float(row["val_acc"]) == pytest.approx(
            100 * complete[int(row["number"])].metrics["val_acc"]
        )


def test_many_trials_are_thinned(tmp_path: Path) -> None:
    found = read(made(tmp_path, trials=2 * MOST_LINES, ends=("complete",)))
    chart = parallel(found, found.trials)
    assert chart is not None
    assert MOST_LINES / 2 < len(rows(chart.csv)) <= MOST_LINES


@pytest.mark.parametrize("trials", [0, 1, 3])
def test_few_trials_have_no_such_plot(trials: int, tmp_path: Path) -> None:
    found = read(made(tmp_path, trials=max(trials, 1), finished=False))
    assert importance(found) is None
    assert parallel(found, found.trials[:trials]) is None
