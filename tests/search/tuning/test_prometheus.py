"""What is exported, without Ray; and that the docs and the Grafana file name the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from se_nas.search.study.ranking import Incumbent
from se_nas.search.study.records import Counts
from se_nas.search.tuning.prometheus import GAUGES, STATES, SearchGauges
from se_nas.search.worker.reports import ENDS
from se_nas.space.objectives import Objective, maximize, minimize

ROOT = Path(__file__).resolve().parents[3]
EXPORTED = {f"ray_{name}" for name in GAUGES}


class Clock:
    """Time that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def values(
    observed: SearchGauges, ends: dict[str, int] | None = None, best: Incumbent | None = None
) -> dict[tuple[str, ...], float]:
    """Samples by name and the labels beside the run."""
    found: dict[tuple[str, ...], float] = {}
    counts = Counts(rejected=4, duplicates=2, ends=ends or {})
    for name, labels, value in observed.samples(counts, best or Incumbent(maximize("val_acc"))):
        assert set(labels) == set(GAUGES[name][0])
        assert labels["run"] == "r"
        found[(name, *(labels[key] for key in GAUGES[name][0][1:]))] = value
    return found


def test_running_and_ended_trials() -> None:
    observed = SearchGauges("r", slots=2, clock=Clock())
    observed.start("a", "resnet8", 0)
    observed.start("b", "se_resnet8_r4", 1)
    observed.epoch("b", 3, "host:7")
    seen = values(observed, {"complete": 5, "out_of_memory": 1})
    assert seen["se_nas_trials", "running"] == 2
    assert seen["se_nas_trials", "complete"] == 5
    assert seen["se_nas_trials", "out_of_memory"] == 1
    assert {key[1] for key in seen if key[0] == "se_nas_trials"} == set(STATES)
    assert seen["se_nas_proposals", "rejected"] == 4
    assert seen["se_nas_proposals", "repeated"] == 2
    assert seen["se_nas_trial_epoch", "resnet8", "0", "starting"] == 0
    assert seen["se_nas_trial_epoch", "se_resnet8_r4", "1", "host:7"] == 3
    observed.end("b")
    assert ("se_nas_trial_epoch", "se_resnet8_r4", "1", "host:7") not in values(observed)


@pytest.mark.parametrize(
    ("objective", "best", "value"),
    [(maximize("val_acc"), "a", 0.9), (minimize("val_loss"), "b", 1)],
)
def test_the_best_value_is_exported_once_there_is_one(
    objective: Objective, best: str, value: float
) -> None:
    observed, seen = SearchGauges("r", slots=2, clock=Clock()), Incumbent(objective)
    assert "se_nas_best_value" not in {key[0] for key in values(observed, best=seen)}
    seen.update({"val_acc": 0.9, "val_loss": 2.0}, "a")
    seen.update({"val_acc": 0.1, "val_loss": 1.0}, "b")
    found = {key: v for key, v in values(observed, best=seen).items() if "best_value" in key[0]}
    assert found == {("se_nas_best_value", objective.metric, best): value}


def test_the_busy_share_is_of_the_time_since_the_last_report() -> None:
    clock = Clock()
    observed = SearchGauges("r", slots=2, clock=clock)
    observed.start("a", "a", 0)
    clock.now = 3.0
    observed.start("b", "b", 1)
    clock.now = 4.0
    assert values(observed)["se_nas_slots_busy_share",] == pytest.approx((3 + 2) / 8)
    observed.end("a")
    observed.end("b")
    clock.now = 6.0
    assert values(observed)["se_nas_slots_busy_share",] == 0


def test_epochs_per_second_are_of_the_last_minute() -> None:
    clock = Clock()
    observed = SearchGauges("r", slots=2, clock=clock)
    observed.start("a", "a", 0)
    for epoch in range(1, 11):
        clock.now = float(epoch)
        observed.epoch("a", epoch, "w")
    assert values(observed)["se_nas_epochs_per_second",] == pytest.approx(1.0)
    clock.now = 65.5
    assert values(observed)["se_nas_epochs_per_second",] == pytest.approx(5 / 60)


def test_grafana_asks_for_exactly_what_is_exported() -> None:
    dashboard = json.loads((ROOT / "deploy" / "grafana-se-nas.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert {name for query in queries for name in re.findall(r"ray_\w+", query)} == EXPORTED
    for query in queries:
        (name,) = re.findall(r"ray_\w+", query)
        grouped = re.search(r"by \(([^)]*)\)", query)
        assert grouped is not None
        labels = set(re.findall(r"\w+", grouped.group(1)))
        assert labels <= set(GAUGES[name.removeprefix("ray_")][0])
    variable: dict[str, Any] = dashboard["templating"]["list"][1]["query"]
    assert set(re.findall(r"ray_\w+", variable["query"])) <= EXPORTED


def test_the_docs_list_exactly_what_is_exported() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text()
    assert set(re.findall(r"ray_se_nas_\w+", text)) == EXPORTED
    for name, (labels, _) in GAUGES.items():
        (row,) = (line for line in text.splitlines() if line.startswith(f"| `ray_{name}`"))
        assert set(re.findall(r"`(\w+)`", row.split("|")[2])) == set(labels)


def test_the_docs_list_exactly_the_states_of_trials() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text()
    (row,) = (line for line in text.splitlines() if line.startswith("| `ray_se_nas_trials`"))
    listed = row.split("|")[3].partition("trials: ")[2]
    assert tuple(listed.strip().split(", ")) == STATES
    assert set(STATES) - {"running"} <= set(ENDS)
