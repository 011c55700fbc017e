"""A price with latency: constraints decided by arithmetic, and a table that a run keeps."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
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
from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Cost, cost
from se_nas.latency.blocks import blocks
from se_nas.latency.settings import LatencySettings, Signature
from se_nas.latency.table import LatencyTable, Measurements
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import SearchConfig
from se_nas.search.plan import Plan, SearchRun
from se_nas.search.pricing import latency_table
from se_nas.search.pricing.price import TimedPrice, recorded_price
from se_nas.search.run_dir.directory import LATENCY, RunDirectory
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.records import Outcome

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


def timed_price() -> TimedPrice:
    """Every block takes its parameters in microseconds."""
    known = Measurements()
    for architecture in SPACE:
        for block in blocks(architecture, SIGNATURE):
            known.blocks[block.key] = block, block.params / 1000
    report = {"median_error": 0.01, "max_error": 0.02, "kendall_tau": 1.0, "networks": [{}]}
    table = LatencyTable(known, SIGNATURE)
    return TimedPrice(price, table, LatencySettings(), {"device": "made up"}, report)


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


def search_run(space: Space, path: Path) -> SearchRun:
    return SearchRun(
        Plan.of(space, SearchConfig()), RunDirectory(path), Slots(1, 1.0, 0.0), Console()
    )


def test_a_space_without_latency_keeps_its_price(tmp_path: Path) -> None:
    plain = search_run(Space("plain", trunk="resnet8_small"), tmp_path)
    assert latency_table.with_latency(plain) is plain
    assert latency_table.measure_networks(plain, [Architecture("resnet8_small")]) == [None]
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_has_its_table_keeps_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, run = timed_price(), RunDirectory(tmp_path)
    run.write(LATENCY, found.to_dict())
    # No cluster runs here: a measurement would fail.
    again = latency_table.with_latency(search_run(SPACE, tmp_path)).plan.price
    assert isinstance(again, TimedPrice)
    assert [again(a) for a in SPACE] == [found(a) for a in SPACE]
    assert "median 1.0 %, at most 2.0 %, Kendall's τ 1.00" in capsys.readouterr().out
    recorded = recorded_price(price, SPACE, SearchConfig(), run)
    assert [recorded(a) for a in SPACE] == [found(a) for a in SPACE]
    (tmp_path / LATENCY).write_text("{")
    with pytest.raises(InputError, match="holds no table of latencies"):
        recorded_price(price, SPACE, SearchConfig(), run)
    with pytest.raises(InputError, match=r"latency\.json is missing"):
        recorded_price(price, SPACE, SearchConfig(), RunDirectory(tmp_path / "other"))
    with pytest.raises(InputError, match="holds no table of latencies"):
        latency_table.with_latency(search_run(SPACE, tmp_path))
