"""A search from end to end: settings → study and trials → the best retrained → results."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import Any

import optuna
from rich.console import Console

from se_nas.arch import Architecture
from se_nas.cost import Cost, cost
from se_nas.data import Data
from se_nas.errors import InputError
from se_nas.search import directory, finals, study, summary
from se_nas.search.cluster import connected
from se_nas.search.proposals import (
    RANDOM_DRAWS,
    Proposals,
    explain_infeasible,
    feasible_share,
)
from se_nas.search.retraining import train_on_ray
from se_nas.search.settings import RunConfig
from se_nas.search.trial import load_data
from se_nas.search.tuning import training_objective, tune_trials
from se_nas.space import Space


def search(space: Space, config: RunConfig, console: Console) -> directory.RunDirectory:
    """Run a search and print its table.

    Returns:
        The run directory with the study, the results and the winner's weights.

    Raises:
        InputError: something in the settings cannot be used, and nothing was trained; or no trial
            reached its end.
    """
    images = load_data(config.data, config.seed)
    price = pricer(images)
    check_feasible(space, price, images, config.seed)
    run = directory.create(space, config)
    console.print(summary.opening(space, images, run), soft_wrap=True)
    with ExitStack() as stack:
        try:
            opened = study.create(space, config, run)
            slots = stack.enter_context(connected(config))
        except InputError:
            run.discard()
            raise
        console.print(summary.resources(config, slots), soft_wrap=True)
        proposals = Proposals(opened, space, price, trials=config.trials, seed=config.seed)
        tune_trials(proposals, space, config, slots, run, console)
        ranked = ranking(opened, space)
        if not ranked:
            raise InputError(
                f"none of {config.trials} trials was trained to its end"
                f"{summary.first_error(run)}; the tracebacks are in {run.errors}"
            )
        results = _search_results(ranked, proposals, space, config)
        run.write("results.json", results)
        if len(space.objectives) > 1:
            summary.show_front(console, ranked, space)
        objective = training_objective(space)
        at = space.objectives.index(objective) if objective in space.objectives else 0
        rows = finals.retrain(
            [(architecture, values[at]) for architecture, values in ranked[: config.top]],
            partial(
                train_on_ray,
                config=config,
                slots=slots,
                on_done=partial(_show_retraining, console),
            ),
            range(config.seed + 1, config.seed + 1 + config.final_seeds),
            price,
            objective,
        )
    best = finals.winner(rows, objective)
    run.winner.write_bytes(finals.best_weights(best))
    described = json.loads(best.architecture.to_json())
    run.write("winner.json", described | {"preprocessing": images.preprocessing()})
    claim = finals.verdict(rows, objective)
    finished = {"winner": str(best.architecture), "verdict": claim}
    run.write("results.json", finished | {"finals": [r.to_dict() for r in rows]} | results)
    summary.show_results(console, rows, best, claim, proposals, images, run)
    return run


def pricer(images: Data) -> Callable[[Architecture], Cost]:
    """The cost of an architecture on these images."""
    return partial(
        cost,
        input_size=images.image_size,
        in_channels=images.in_channels,
        num_classes=images.num_classes,
    )


def check_feasible(
    space: Space, price: Callable[[Architecture], Cost], images: Data, seed: int
) -> float:
    """The share of random architectures that pass the constraints; an error if none does.

    Small spaces are listed; in a large one a share below 1 in 20,000 draws counts as none.
    """
    share = feasible_share(space, price, seed=seed)
    if share == 0:
        share = feasible_share(space, price, draws=RANDOM_DRAWS, seed=seed)
    if share == 0:
        raise InputError(
            f"space {space.name!r}: no architecture keeps the constraints: "
            f"{explain_infeasible(space, price, seed=seed)}; counted at {images.image_size} px, "
            "see --image-size"
        )
    return share


def ranking(opened: optuna.Study, space: Space) -> list[tuple[Architecture, list[float]]]:
    """Completed, feasible trials, best first; for several objectives those of the Pareto front.

    A front is ordered by the objective that training decides.
    """
    if len(space.objectives) > 1:
        ended = opened.best_trials
    else:
        complete = opened.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        ended = [t for t in complete if all(v <= 0 for v in t.constraints.values())]
    objective = training_objective(space)
    at = space.objectives.index(objective) if objective in space.objectives else 0
    sign = 1 if space.objectives[at].direction == "maximize" else -1
    ended = sorted(ended, key=lambda trial: -sign * trial.values[at])
    return [
        (Architecture.from_json(trial.user_attrs["architecture"]), trial.values)
        for trial in ended
        if "architecture" in trial.user_attrs
    ]


def _search_results(
    ranked: list[tuple[Architecture, list[float]]],
    proposals: Proposals,
    space: Space,
    config: RunConfig,
) -> dict[str, Any]:
    """What the search itself found, before anything is retrained."""
    return {
        "objectives": [str(objective) for objective in space.objectives],
        "ranking": [{"name": str(a), "values": values} for a, values in ranked],
        "proposals": asdict(proposals.counts),
        "seed": config.seed,
    }


def _show_retraining(console: Console, what: str, done: int, total: int) -> None:
    end = "\r" if console.is_terminal and done < total else "\n"
    console.print(f"retraining {what}: {done}/{total} runs", end=end)
