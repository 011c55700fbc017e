"""The trials of a search through Ray Tune: searcher, scheduler, callbacks and stop rules."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from functools import partial

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import ConcurrencyLimiter

from se_nas.console import shell_word
from se_nas.errors import InputError
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import MAX_DEATHS, SearchConfig, TrialSettings
from se_nas.search.plan import SearchRun
from se_nas.search.run_dir import directory
from se_nas.search.run_dir.directory import last_error
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.ranking import (
    curves_of_objectives,
    objective_values,
    trained_curves,
    training_objective,
)
from se_nas.search.study.records import COST
from se_nas.search.tuning.asha import ResumableASHA
from se_nas.search.tuning.callback_guard import CallbackGuard
from se_nas.search.tuning.callbacks import make_callbacks
from se_nas.search.tuning.driver_callback import OnDriver, config_of
from se_nas.search.tuning.failures import FailureCallback
from se_nas.search.tuning.halving import MultiObjectiveHalving
from se_nas.search.tuning.progress import ProgressCallback
from se_nas.search.tuning.searcher import StudySearcher
from se_nas.search.tuning.start_barrier import StartBarrier
from se_nas.search.tuning.worker_deaths import WorkerDeaths
from se_nas.search.worker import checkpoints
from se_nas.search.worker.trial import SETrial
from se_nas.signals import Interrupted, stop_on_signal
from se_nas.space.objectives import METRICS


def tune_trials(
    search_run: SearchRun,
    proposals: Proposals,
    trainable: type[tune.Trainable] = SETrial,
) -> None:
    """Train the networks of ``proposals`` until there are no more.

    Args:
        trainable: the class that runs on workers; benchmarks give one that does not train.

    Raises:
        KeyboardInterrupt: the user ended the search; what was trained is in the study, and trials
            that did not end are running there, to go on later.
        InputError: too many of the trials failed.
    """
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # ProgressCallback says what matters
    plan, run, slots = search_run.plan, search_run.run, search_run.slots
    config, console = plan.config, search_run.console
    deaths = WorkerDeaths()
    searcher = StudySearcher(
        proposals,
        config.epochs,
        worker_deaths=deaths,
        seed=config.seed,
        ended=partial(checkpoints.remove, run.checkpoints),
        max_failed_share=config.max_failed_share,
    )
    limiter = ConcurrencyLimiter(searcher, max_concurrent=slots.count)
    shutil.rmtree(run.path / "tune", ignore_errors=True)  # of a driver that was killed
    scheduler = StartBarrier(_scheduler(proposals, config))
    progress = ProgressCallback(console, searcher, on_gpu=slots.gpus > 0, workers=scheduler)
    callbacks = [
        FailureCallback(run, console, deaths),
        progress,
        *make_callbacks(search_run, searcher, limiter),
    ]
    given = {} if plan.shared is None else {"images": plan.shared}
    worker = tune.with_resources(
        tune.with_parameters(trainable, settings=_trial_settings(config, slots, run), **given),
        tune.PlacementGroupFactory(slots.resources, strategy="STRICT_PACK"),
    )
    # The dashboard shows the class's name; Tune's wrappers would hide it.
    worker.__name__ = worker.__qualname__ = trainable.__name__
    tuner = tune.Tuner(
        worker,
        tune_config=tune.TuneConfig(
            search_alg=limiter,
            scheduler=scheduler,
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: f"trial-{config_of(trial)['number']:05d}",
            trial_name_creator=lambda trial: config_of(trial)["name"],
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(run.path),
            verbose=0,
            stop=StopWhen(searcher),
            callbacks=[CallbackGuard(callbacks, run, console)],
            failure_config=tune.FailureConfig(max_failures=MAX_DEATHS),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    with stop_on_signal(searcher.stop, shell_word(run.shown)) as signals:
        try:
            tuner.fit()
        finally:
            progress.close()
    shutil.rmtree(run.path / "tune", ignore_errors=True)  # Tune's own notes; the study has it all
    if searcher.storage_error is not None:
        raise searcher.storage_error
    if searcher.misused:
        raise InputError(
            f"{searcher.abort_reason}: so every trial would end; mend that and go on with "
            f"{run.resume}"
        )
    if searcher.abort_reason:
        raise InputError(
            f"{searcher.abort_reason}{last_error(run)}; mend that and go on with "
            f"{run.resume}, or raise `max_failed_share`"
        )
    if searcher.stopped:
        raise Interrupted(*signals)


def _trial_settings(
    config: SearchConfig, slots: Slots, run: directory.RunDirectory
) -> TrialSettings:
    return TrialSettings.of(
        config,
        epochs=config.epochs,
        seed=config.seed,
        gpus=slots.gpus,
        cpus=slots.cpus,
        processes=slots.processes,
        checkpoints=str(run.checkpoints),
    )


def _scheduler(proposals: Proposals, config: SearchConfig) -> TrialScheduler:
    """Return what stops trials from a share of the budget on: ASHA, or of several objectives ranks.

    Nothing stops them where no objective is trained, nor with NSGA-II, which learns from complete
    trials only.
    """
    first = max(1, -(-int(config.epochs * config.first_rung * 1000) // 1000))
    space = proposals.space
    trained = any(objective.metric in METRICS for objective in space.objectives)
    if not trained or first >= config.epochs or "nsga" in config.sampler.lower():
        return FIFOScheduler()  # type: ignore[no-untyped-call]
    if len(space.objectives) > 1:
        return _halving(proposals, first, config.epochs)
    objective = training_objective(space)
    return ResumableASHA(
        trained_curves(proposals.study),
        metric=objective.metric,
        mode="max" if objective.direction == "maximize" else "min",
        max_t=config.epochs,
        grace_period=first,
    )


def _halving(proposals: Proposals, first: int, epochs: int) -> MultiObjectiveHalving:
    study, space = proposals.study, proposals.space

    def values(number: int, metrics: Mapping[str, object]) -> list[float]:
        cost = study.get_trials(deepcopy=False)[number].user_attrs[COST]
        return objective_values(space, cost, {m: metrics[m] for m in METRICS if m in metrics})

    return MultiObjectiveHalving(
        curves_of_objectives(study, space),
        signs=[1 if o.direction == "maximize" else -1 for o in space.objectives],
        values=values,
        first=first,
        epochs=epochs,
    )


class StopWhen(OnDriver, tune.Stopper):
    """A stopper that ends Tune's loop when the searcher was told to stop."""

    def __init__(self, searcher: StudySearcher) -> None:
        self.searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, object]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.searcher.stopped
