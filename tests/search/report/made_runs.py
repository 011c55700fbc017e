"""Runs as a search leaves them on disk, their trainings made up."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import se_nas
from se_nas import SE, Architecture, Space, choice, maximize, optional, per_stage, trunk
from se_nas.cost.network_cost import cost
from se_nas.search.config import SearchConfig
from se_nas.search.finals.networks import NO_SE, SE_R16, FinalNetwork
from se_nas.search.results import run_results
from se_nas.search.results.effects import answer
from se_nas.search.run_dir import new_run
from se_nas.search.run_dir.directory import FAILED, RESULTS, RunDirectory
from se_nas.search.study.ranking import ranking, training_objective
from se_nas.search.study.records import Outcome, records
from se_nas.search.study.study import create_study, propose
from se_nas.search.worker.reports import End
from se_nas.search.worker.retrain import RetrainResult
from se_nas.space.objectives import Objective

EPOCHS = 4


def space_of(*objectives: Objective) -> Space:
    return Space(
        "made",
        trunk=trunk("resnet8_small", width=choice(*range(8, 24))),
        se=per_stage(optional(SE(reduction=choice(2, 4, 8), gate=choice("sigmoid", "tanh")))),
        objectives=objectives or (maximize("val_acc"),),
    )


def made(
    out: Path,
    *objectives: Objective,
    trials: int = 30,
    ends: tuple[End, ...] = ("complete", "complete", "stopped_early"),
    value: float | None = None,
    finished: bool = True,
    reason: str = "",
) -> RunDirectory:
    """A run's folder as a search leaves it, its trainings made up."""
    space = space_of(*objectives)
    config = SearchConfig(trials=trials, epochs=EPOCHS, out=str(out), sampler="random")
    run = new_run.create(space, config)
    config = run.settings()
    study = create_study(space, config, run)
    proposals, rng = propose(study, space, cost, config), random.Random(0)
    while (proposal := proposals.ask()) is not None:
        end = rng.choice(ends)
        epochs = {"complete": EPOCHS, "stopped_early": 2}.get(end, 1)
        last = 0.6 + 0.1 * rng.random() if value is None else value
        curve = [{"val_acc": last - 0.1 / e, "val_loss": 1 - last} for e in range(1, epochs + 1)]
        outcome = Outcome(end, curve[-1], epochs, 2.5, reason=reason, curve=curve)
        proposals.tell(proposal, outcome)
    ranked = ranking(study, space)
    if not finished:
        return run
    found = answer(records(study), space, cost)
    searched = run_results.of_search(ranked, proposals, config, found)
    if not ranked:
        run.write(RESULTS, searched | {FAILED: reason})
        return run
    best = ranked[0][0]
    rows = [final("best 1", best, 0.7, 0.9), final(NO_SE, Architecture(best.trunk), 0.6, None)]
    rows.append(final(SE_R16, Architecture(best.trunk, SE(16)), 0.65, None))
    objective = training_objective(space)
    run_results.keep_winner(rows[0], se_nas.data.load("digits"), run)
    run.write(RESULTS, run_results.of_run(rows, objective, searched))
    return run


def final(role: str, architecture: Architecture, acc: float, searched: float | None) -> Any:
    runs = tuple(RetrainResult("complete", acc, 1 - acc, acc + i / 100) for i in range(3))
    return FinalNetwork((role,), architecture, cost(architecture), searched, runs)
