"""A search from end to end: settings → study and trials → the best retrained → results."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import optuna
from ray import tune
from rich.console import Console

from se_nas.arch import Architecture
from se_nas.cost import Cost, cost
from se_nas.data import Data
from se_nas.errors import InputError
from se_nas.objectives import METRICS, Objective
from se_nas.search import directory, finals, study, summary
from se_nas.search.cluster import Slots, connected
from se_nas.search.progress import Progress
from se_nas.search.proposals import Proposals, explain_infeasible, feasible_share
from se_nas.search.searcher import StudySearcher
from se_nas.search.settings import RunConfig, TrialSettings
from se_nas.search.trial import SETrial, load_data
from se_nas.space import Space


def search(space: Space, config: RunConfig, console: Console) -> directory.RunDirectory:
    """Run a search and print its table.

    Returns:
        The run directory with the study, the results and the winner's weights.

    Raises:
        InputError: something in the settings cannot be used; nothing was trained then.
    """
    images = load_data(config.data, config.seed)
    price = pricer(images)
    check_feasible(space, price, config.seed)
    with connected(config) as slots:
        run = directory.create(space, config)
        console.print(summary.opening(space, config, images, slots, run), soft_wrap=True)
        opened = _open_study(space, config, run)
        proposals = Proposals(opened, space, price, trials=config.trials, seed=config.seed)
        _tune(proposals, space, config, slots, run, console)
        ranked = ranking(opened, space)
        if not ranked:
            raise InputError(f"none of {config.trials} trials was trained to its end: {run.errors}")
        if len(space.objectives) > 1:
            summary.show_front(console, ranked, space)
        best = [(architecture, values[0]) for architecture, values in ranked[: config.top]]
        done = partial(_show_retraining, console)
        rows = finals.retrain(best, config, slots, price, str(run.winner), done)
    _write_results(run, rows, proposals, config)
    summary.show_results(console, rows, proposals, images, run)
    return run


def _open_study(space: Space, config: RunConfig, run: directory.RunDirectory) -> optuna.Study:
    try:
        return study.create(space, config, run)
    except InputError:
        shutil.rmtree(run.path)  # made a moment ago, and nothing is in it yet
        raise


def pricer(images: Data) -> Callable[[Architecture], Cost]:
    """The cost of an architecture on these images."""
    return partial(
        cost,
        input_size=images.image_size,
        in_channels=images.in_channels,
        num_classes=images.num_classes,
    )


def check_feasible(space: Space, price: Callable[[Architecture], Cost], seed: int) -> float:
    """The share of random architectures that pass the constraints; an error if none does."""
    share = feasible_share(space, price, seed=seed)
    if share == 0:
        raise InputError(
            f"space {space.name!r}: no architecture keeps the constraints: "
            f"{explain_infeasible(space, price, seed=seed)}"
        )
    return share


def ranking(opened: optuna.Study, space: Space) -> list[tuple[Architecture, list[float]]]:
    """Completed, feasible trials, best first: by the objective, or for several the Pareto front."""
    if len(space.objectives) > 1:
        ended = opened.best_trials
    else:
        complete = opened.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        ended = [t for t in complete if all(v <= 0 for v in t.constraints.values())]
    sign = 1 if space.objectives[0].direction == "maximize" else -1
    ended = sorted(ended, key=lambda trial: -sign * trial.values[0])
    return [
        (Architecture.from_json(trial.user_attrs["architecture"]), trial.values)
        for trial in ended
        if "architecture" in trial.user_attrs
    ]


def _tune(
    proposals: Proposals,
    space: Space,
    config: RunConfig,
    slots: Slots,
    run: directory.RunDirectory,
    console: Console,
) -> None:
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # Progress says what matters
    objective = next((o for o in space.objectives if o.metric in METRICS), space.objectives[0])
    searcher = StudySearcher(proposals, config.epochs)
    better = 1 if objective.direction == "maximize" else -1
    progress = Progress(console, searcher, objective.metric, better, on_gpu=slots.gpus > 0)
    trainable = tune.with_resources(
        tune.with_parameters(SETrial, settings=_trial_settings(space, config, slots)),
        slots.resources,
    )
    # The dashboard shows the class's name; Tune's wrappers would hide it.
    trainable.__name__ = trainable.__qualname__ = SETrial.__name__
    tuner = tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=_scheduler(space, config, objective),
            num_samples=-1,
            max_concurrent_trials=slots.count,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: f"trial-{trial.config['number']:05d}",
            trial_name_creator=lambda trial: str(trial.config["name"]),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(run.path),
            verbose=0,
            callbacks=[progress, summary.KeepErrors(run)],
            failure_config=tune.FailureConfig(max_failures=3),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    try:
        tuner.fit()
    finally:
        progress.close()


def _trial_settings(space: Space, config: RunConfig, slots: Slots) -> TrialSettings:
    limits = [c.limit for c in space.constraints if c.quantity == "latency_ms"]
    return TrialSettings(
        config.data,
        config.recipe,
        config.epochs,
        config.seed,
        on_gpu=slots.gpus > 0,
        threads=max(1, int(slots.cpus)),
        latency_limit_ms=min(limits, default=None),
        needs_latency=bool(limits) or any(o.metric == "latency_ms" for o in space.objectives),
    )


def _scheduler(space: Space, config: RunConfig, objective: Objective) -> Any:
    """ASHA with its first rung at a share of the budget; none for several objectives."""
    first = max(1, -(-int(config.epochs * config.first_rung * 1000) // 1000))
    if len(space.objectives) > 1 or first >= config.epochs or objective.metric not in METRICS:
        return None
    return tune.schedulers.ASHAScheduler(
        time_attr="epoch",
        metric=objective.metric,
        mode="max" if objective.direction == "maximize" else "min",
        max_t=config.epochs,
        grace_period=first,
        reduction_factor=2,
    )


def _show_retraining(console: Console, what: str, done: int, total: int) -> None:
    if done == total or console.is_terminal:
        end = "\n" if done == total else "\r"
        console.print(f"retraining {what}: {done}/{total} runs", end=end)


def _write_results(
    run: directory.RunDirectory,
    rows: list[finals.Final],
    proposals: Proposals,
    config: RunConfig,
) -> None:
    best = finals.winner(rows)
    results = {
        "winner": str(best.architecture),
        "verdict": finals.verdict(rows),
        "finals": [row.to_dict() for row in rows],
        "proposals": asdict(proposals.counts),
        "seed": config.seed,
    }
    run.write("results.json", results)
    run.write("winner.json", json.loads(best.architecture.to_json()))
