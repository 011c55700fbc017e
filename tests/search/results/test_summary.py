"""What a search says at its end."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.samplers import RandomSampler
from rich.console import Console

from se_nas import (
    SE,
    Architecture,
    Space,
    choice,
    data,
    maximize,
    minimize,
    optional,
    params,
    per_stage,
)
from se_nas.cost.network_cost import cost
from se_nas.search.config import SearchConfig
from se_nas.search.finals.networks import FinalNetwork
from se_nas.search.results.summary import SO_FAR, at_chance, notes, show_so_far
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.study.records import Outcome
from se_nas.search.study.study import propose
from se_nas.search.worker.retrain import RetrainResult

WHOLE = Space("small", trunk="resnet8_small", se=per_stage(optional(SE(reduction=choice(4)))))
LIMIT = sorted(cost(architecture).params for architecture in WHOLE)[3]


@pytest.mark.parametrize(("val_acc", "said"), [(0.09, True), (0.12, True), (0.2, False)])
def test_a_winner_that_knows_nothing_is_said_to(val_acc: float, said: bool) -> None:
    architecture = Architecture("resnet8_small", SE(16))
    runs = (RetrainResult("complete", val_acc, 2.3, val_acc),)
    best = FinalNetwork(("best 1",), architecture, cost(architecture), val_acc, runs)
    notes = at_chance(best, data.load("digits"))
    assert bool(notes) == said
    if said:
        assert f"{100 * val_acc:.1f} %" in notes[0]
        assert "--epochs" in notes[0]


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("sampler", ["random", "grid"])
def test_the_end_of_a_space_is_told_as_what_it_was(
    tmp_path: Path, sampler: str, limited: bool
) -> None:
    space = replace(WHOLE, constraints=(params <= LIMIT,)) if limited else WHOLE
    size = sum(cost(architecture).params <= LIMIT for architecture in WHOLE) if limited else 8
    study = optuna.create_study(sampler=RandomSampler(seed=0), direction="maximize")
    proposals = propose(study, space, cost, SearchConfig(sampler=sampler, trials=20))
    run = RunDirectory(tmp_path)
    assert notes(proposals, run) == []
    while (proposal := proposals.ask()) is not None:
        proposals.tell(proposal, Outcome("complete", {"val_acc": 0.5}))
    limits = " within the constraints" if limited else ""
    assert notes(proposals, run) == [
        f"the grid is done: {size} networks{limits}"
        if sampler == "grid"
        else f"the sampler found no further network{limits}"
    ]


@pytest.mark.parametrize(
    ("several", "said"),
    [
        (False, "best so far of 8 networks that were trained to their end"),
        (True, "Pareto front so far, 8 networks"),
    ],
)
def test_what_was_found_so_far_is_called_what_it_is(
    tmp_path: Path, several: bool, said: str
) -> None:
    goals = (maximize("val_acc"), minimize("macs")) if several else (maximize("val_acc"),)
    space = replace(WHOLE, objectives=goals)
    ranked = [(architecture, [0.5] * len(goals)) for architecture in WHOLE]
    console = Console(file=io.StringIO(), width=120)
    show_so_far(console, ranked, space, RunDirectory(tmp_path))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert said in " ".join(text.split())
    assert text.count("resnet8_small") == (8 if several else SO_FAR)
    show_so_far(console, [], space, RunDirectory(tmp_path))
    assert "--resume" in console.file.getvalue().splitlines()[-1]  # type: ignore[attr-defined]
