"""Latency in a search: the device reserved, and constraints decided by arithmetic."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
import ray
from optuna.samplers import RandomSampler
from optuna.trial import TrialState
from rich.console import Console

from se_nas import (
    SE,
    InputError,
    Space,
    choice,
    latency_ms,
    maximize,
    minimize,
    optional,
    per_stage,
)
from se_nas.arch import Architecture
from se_nas.cost import Cost, cost
from se_nas.data import load
from se_nas.latency.blocks import blocks
from se_nas.latency.settings import LatencySettings, Signature
from se_nas.latency.table import Latency, LatencyTable, Measurements
from se_nas.search import measuring, timing
from se_nas.search.alone import RayMeasurer, whole_device
from se_nas.search.cluster import Slots
from se_nas.search.directory import RunDirectory
from se_nas.search.finals import Final, Retrained
from se_nas.search.proposals import Outcome, Proposals
from se_nas.search.settings import RunConfig

SIGNATURE = Signature(8, 1, 10)
SPACE = Space(
    "small",
    trunk="resnet8_small",
    se=per_stage(optional(SE(reduction=choice(2, 4)))),
    constraints=[latency_ms <= 78.6],
    objectives=[maximize("val_acc"), minimize("latency_ms")],
)


def price(architecture: Architecture) -> Cost:
    return cost(architecture, input_size=8, in_channels=1, num_classes=10)


def timed_price() -> timing.TimedPrice:
    """Every block takes its parameters in microseconds."""
    known = Measurements()
    for architecture in SPACE:
        for block in blocks(architecture, SIGNATURE):
            known.blocks[block.key] = block, block.params / 1000
    report = {"median_error": 0.01, "max_error": 0.02, "kendall_tau": 1.0, "networks": [{}]}
    table = LatencyTable(known, SIGNATURE)
    return timing.TimedPrice(price, table, LatencySettings(), {"device": "made up"}, report)


@pytest.mark.parametrize(
    ("slots", "expected"),
    [
        (Slots(4, 1.0, 0.0), {"num_gpus": 0, "num_cpus": 8.0}),
        (Slots(4, 2.0, 0.25), {"num_gpus": 1, "num_cpus": 2.0}),
    ],
)
def test_a_measurement_reserves_the_whole_device(slots: Slots, expected: dict[str, float]) -> None:
    nodes = [{"CPU": 4.0, "GPU": 1.0}, {"CPU": 8.0}]
    assert whole_device(slots, nodes) == expected


def test_a_network_over_the_limit_is_rejected_before_training_and_the_rest_has_its_objective() -> (
    None
):
    found = timed_price()
    every = [found(architecture).latency_ms for architecture in SPACE]
    assert min(every) < 78.6 < max(every)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=RandomSampler(seed=0))
    proposals = Proposals(study, SPACE, found, trials=8)
    while (proposal := proposals.ask()) is not None:
        proposals.tell(proposal, Outcome("complete", {"val_acc": 0.5}, 1))
    assert proposals.counts.rejected > 0
    for trial in study.trials:
        if trial.user_attrs["end"] == "rejected":
            assert trial.state is TrialState.PRUNED
            assert trial.constraints[str(SPACE.constraints[0])] > 0
        elif trial.state is TrialState.COMPLETE:
            assert trial.values[1] <= 78.6
    trained = [t for t in study.trials if "architecture" in t.user_attrs]
    assert trained
    for trial in trained:
        architecture = Architecture.from_json(trial.user_attrs["architecture"])
        assert trial.values[1] == found(architecture).latency_ms
        assert trial.user_attrs["cost"]["latency_ms"] == trial.values[1]


def test_a_space_without_latency_keeps_its_price(tmp_path: Path) -> None:
    plain = Space("plain", trunk="resnet8_small")
    run, console = RunDirectory(tmp_path), Console()
    slots = Slots(1, 1.0, 0.0)
    same = measuring.timed(price, plain, RunConfig(), load("digits"), slots, run, console)
    assert same is price
    assert measuring.measured(price, [], slots, run, console) == []
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_has_its_table_keeps_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, run = timed_price(), RunDirectory(tmp_path)
    run.write(timing.FILE, found.to_dict())
    images, slots = load("digits"), Slots(1, 1.0, 0.0)
    # No cluster runs here: a measurement would fail.
    again = measuring.timed(price, SPACE, RunConfig(), images, slots, run, Console())
    assert isinstance(again, timing.TimedPrice)
    assert [again(a) for a in SPACE] == [found(a) for a in SPACE]
    assert "median 1.0 %, at most 2.0 %, Kendall's τ 1.00" in capsys.readouterr().out
    recorded = timing.recorded(price, SPACE, RunConfig(), run)
    assert [recorded(a) for a in SPACE] == [found(a) for a in SPACE]
    (tmp_path / timing.FILE).write_text("{")
    with pytest.raises(InputError, match="not a table of latencies"):
        timing.recorded(price, SPACE, RunConfig(), run)
    with pytest.raises(InputError, match=r"latency\.json is missing"):
        timing.recorded(price, SPACE, RunConfig(), RunDirectory(tmp_path / "other"))
    with pytest.raises(InputError, match="not a table of latencies"):
        measuring.timed(price, SPACE, RunConfig(), images, slots, run, Console())


class Reference:
    """What a remote call returns, and what ``ray.get`` then does."""

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome

    def remote(self, *_: object) -> Reference:
        return self


def get(reference: Reference) -> object:
    if isinstance(reference.outcome, Exception):
        raise reference.outcome
    return reference.outcome


def measured(outcome: object) -> object:
    actor = SimpleNamespace(measure=Reference(outcome))
    fake = SimpleNamespace(get=get, exceptions=ray.exceptions)
    return RayMeasurer(actor, fake).measure(Architecture("resnet8_small"))


def test_what_the_worker_raises_is_one_line() -> None:
    assert measured(Latency(1, 1, 1)) == Latency(1, 1, 1)
    assert measured(ray.exceptions.OutOfMemoryError("killed")) is None
    for error, words in (
        (ray.exceptions.RayTaskError("measure", "traceback", InputError("as it is")), "^as it is$"),
        (ray.exceptions.RayTaskError("measure", "traceback", ValueError("a\nb")), "measured: a$"),
        (ray.exceptions.RayActorError(), "the worker died"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            measured(error)
        assert "\n" not in str(caught.value)


def test_final_networks_that_cannot_be_timed_keep_their_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(*_: object) -> Any:
        raise InputError("latency_ms cannot be measured: the worker died")

    monkeypatch.setattr(measuring, "alone", gone)
    found = timed_price()
    network = Architecture("resnet8_small")
    rows = [Final("best 1", network, found(network), 0.5, (Retrained("complete"),))]
    slots = Slots(1, 1.0, 0.0)
    assert measuring.measured(found, rows, slots, RunDirectory(tmp_path), Console()) == rows
    assert "were not timed" in capsys.readouterr().out


ALONE = """
from se_nas.search.environment import prepare
prepare(None)
import ray
from se_nas.latency.settings import LatencySettings, Signature
from se_nas.search.cluster import connected
from se_nas.search.settings import RunConfig
from se_nas.search.alone import alone

with connected(RunConfig(gpus=0, dashboard=False)) as slots:
    other = ray.remote(num_cpus=0.01)(lambda: "other")
    with alone(Signature(8, 1, 10), LatencySettings(), slots, print) as measurer:
        print(measurer.identity()["torch"])
        task = other.remote()
        print("beside", len(ray.wait([task], timeout=2)[0]))
    print("after", ray.get(task))
"""


@pytest.mark.slow
def test_nothing_else_runs_on_the_device_meanwhile() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=200, check=True
    )
    assert done.stdout.splitlines()[-2:] == ["beside 0", "after other"]


def test_settings_of_a_run_are_read_back() -> None:
    config = RunConfig(latency=LatencySettings(batch=8, precision="bfloat16"))
    stored = json.loads(json.dumps(config.to_dict()))
    assert stored["latency"] == asdict(config.latency)
    assert RunConfig.from_dict(stored) == config
