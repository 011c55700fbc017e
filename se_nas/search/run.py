"""A search from end to end: settings → study and trials → the best retrained → results."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from contextlib import ExitStack
from functools import partial

from rich.console import Console

from se_nas.data import Data
from se_nas.errors import InputError
from se_nas.latency.settings import uses_latency
from se_nas.search.cluster.connection import connected
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import SearchConfig
from se_nas.search.finals import networks
from se_nas.search.finals.cache import RetrainingCache
from se_nas.search.finals.retraining import train_on_ray
from se_nas.search.pricing import latency_table
from se_nas.search.pricing.price import pricer
from se_nas.search.results import files, summary
from se_nas.search.run_dir import directory, lock
from se_nas.search.run_dir.directory import last_error
from se_nas.search.run_dir.resume import (
    find_interrupted,
    note_session,
    read_space,
    resume_notes,
    resumed_config,
)
from se_nas.search.signals import raise_on_signal
from se_nas.search.study import joining, ranking, study
from se_nas.search.study.drivers import new_driver_name, shared_study
from se_nas.search.study.feasibility import check_feasible, feasibility
from se_nas.search.study.initial_points import check_enqueued, initial_points
from se_nas.search.study.journal import repair_journal
from se_nas.search.study.proposals import Proposals, propose
from se_nas.search.study.ranking import training_objective
from se_nas.search.study.recovery import recover
from se_nas.search.study.samplers import build_sampler
from se_nas.search.study.storage_errors import storage_errors_as_input_errors
from se_nas.search.tuning.tune import tune_trials
from se_nas.search.worker import checkpoints
from se_nas.search.worker.data import load_data
from se_nas.search.worker.shared_data import share
from se_nas.space.space import Space


def join(
    space: Space | None, asked: SearchConfig, named: Collection[str], console: Console
) -> directory.RunDirectory:
    """Work on a study that another driver began, until it has all its trials.

    Args:
        space: one that must be the study's; None takes the study's without a question.
        asked, named: the settings of the command line, and the options that the user wrote.

    Raises:
        InputError: there is no such study, something is asked for that is not the study's, or what
            ``search`` raises.
    """
    space, config = joining.joined_config(space, asked, named)
    return search(space, config, console, joins=new_driver_name(str(config.name)))


def search(
    space: Space, config: SearchConfig, console: Console, joins: str = ""
) -> directory.RunDirectory:
    """Run a search and print its table.

    Args:
        joins: the name of a driver that works on the study of another one.

    Returns:
        The run directory with the study, the results and the winner's weights.

    Raises:
        InputError: something in the settings cannot be used, and nothing was trained; or no trial
            reached its end.
    """
    images = load_data(config.data, config.seed)
    price = pricer(images)
    share = check_feasible(space, price, images, config.seed)
    initial_points(space, config)  # what they cannot use, they say now
    build_sampler(config.sampler, config.seed, config.trials)
    run = directory.create(space, config, joins)
    with (
        raise_on_signal(),
        lock.run_lock(run),
        storage_errors_as_input_errors(run),
        ExitStack() as stack,
    ):
        console.print(summary.opening(space, images, run), soft_wrap=True)
        cut = None if joins else find_interrupted(space, config)
        if cut is not None:
            console.print(
                f"note: {cut.shown} is a run like this one that was cut; to finish it instead, "
                f"stop and give --resume {cut.shown}",
                soft_wrap=True,
            )
        try:
            slots = stack.enter_context(connected(config))
            stack.enter_context(raise_on_signal())  # Ray's start took the signals
            console.print(summary.resources(config, slots), soft_wrap=True)
            price = latency_table.with_latency(price, space, config, images, slots, run, console)
            if uses_latency(space):
                share = check_feasible(space, price, images, config.seed)
            check_enqueued(space, price, config)
        except (InputError, KeyboardInterrupt):  # measured latencies are in their cache
            run.discard()
            raise
        try:
            opened = study.create_study(space, config, run)
        except InputError:
            run.discard()
            raise
        for line in feasibility(space, price, share, config.seed):
            console.print(line, soft_wrap=True)
        proposals = propose(opened, space, price, config, shared_study(opened, run))
        run.write(files.FILE, files.of_search([], proposals, config))
        proposals.listen()
        return _finish(proposals, config, images, slots, run, console)


def resume(
    which: str, space: Space | None, asked: SearchConfig, named: Collection[str], console: Console
) -> directory.RunDirectory:
    """Take up a run that was cut, and finish it.

    Args:
        which: its folder, or its name in ``asked.out``.
        space: one that must be the run's; None takes the run's without a question.
        asked, named: the settings of the command line, and the options that the user wrote.

    Raises:
        InputError: there is no such run, another driver has it, or something is asked for that
            cannot change.
    """
    run = directory.find(which, asked.out)
    with (
        raise_on_signal(),
        lock.run_lock(run),
        storage_errors_as_input_errors(run),
        ExitStack() as stack,
    ):
        space = read_space(run, space)
        config = resumed_config(run, asked, named)
        images = load_data(config.data, config.seed)
        run.make_folders()
        repaired = repair_journal(run.journal)
        console.print(summary.opening(space, images, run), soft_wrap=True)
        opened = study.create_study(space, config, run, resume=True)
        slots = stack.enter_context(connected(config))
        stack.enter_context(raise_on_signal())  # Ray's start took the signals
        console.print(summary.resources(config, slots), soft_wrap=True)
        for note in resume_notes(run, repaired):
            console.print(f"note: {note}", soft_wrap=True)
        price = latency_table.with_latency(
            pricer(images), space, config, images, slots, run, console
        )
        proposals = propose(opened, space, price, config, shared_study(opened, run))
        recover(proposals)
        going_on = {proposal.number for proposal in proposals.unfinished}
        checkpoints.tidy(run.checkpoints, going_on)
        console.print(summary.taken_up(proposals, run), soft_wrap=True)
        # Not before: up to here a run that was complete is that still.
        files.clear_ending(run)
        note_session(run, config)
        return _finish(proposals, config, images, slots, run, console)


def _finish(
    proposals: Proposals,
    config: SearchConfig,
    images: Data,
    slots: Slots,
    run: directory.RunDirectory,
    console: Console,
) -> directory.RunDirectory:
    """Train what is missing, then retrain the best and show the results."""
    opened, space, price = proposals.study, proposals.space, proposals.price
    objective = training_objective(space)
    try:
        if proposals.unfinished or proposals.counts.accepted < proposals.trials:
            tune_trials(proposals, space, config, slots, run, console, images=share(images))
        while proposals.unfinished:  # one that came again when Tune had ended
            tune_trials(proposals, space, config, slots, run, console, images=share(images))
        if run.joined:
            joining.finish_joined(proposals, config, run, console)
            return run
        joining.wait_for_drivers(proposals, console)
        ranked = ranking.ranking(opened, space)
        if not ranked:
            raise InputError(
                f"none of {config.trials} trials was trained to its end"
                f"{last_error(run)}; the tracebacks are in {run.errors}"
            )
        searched = files.of_search(ranked, proposals, config)
        run.write(files.FILE, searched)
        if len(space.objectives) > 1:
            summary.show_front(console, ranked, space)
        at = ranking.decisive(space)
        rows = networks.retrain(
            [(architecture, values[at]) for architecture, values in ranked[: config.top]],
            partial(
                RetrainingCache(run.finals, config.final_epochs or config.epochs).train,
                fresh=partial(
                    train_on_ray,
                    config=config,
                    slots=slots,
                    images=share(images),
                    on_done=partial(_show_retraining, console),
                ),
            ),
            range(config.seed + 1, config.seed + 1 + config.final_seeds),
            price,
            objective,
        )
    except (KeyboardInterrupt, InputError) as end:
        so_far = ranking.ranking(opened, space)
        run.write(files.FILE, files.of_search(so_far, proposals, config))
        if isinstance(end, KeyboardInterrupt):
            summary.show_so_far(console, so_far, space, run)
        raise
    best = networks.winner(rows, objective)
    if not best.complete:
        raise InputError(
            f"every retraining of the best networks failed{last_error(run)}; the search itself is "
            f"done: mend that and go on with --resume {run.shown}"
        )
    files.keep_winner(best, images, run)
    run.write(files.FILE, files.of_run(rows, objective, searched))
    shutil.rmtree(run.finals, ignore_errors=True)
    try:
        untimed, rows = rows, latency_table.measure_networks(price, rows, slots, run, console)
        if rows is not untimed:
            run.write(files.FILE, files.of_run(rows, objective, searched))
    finally:  # Ctrl-C too: the run is complete
        summary.show_results(console, rows, objective, proposals, images, run)
    return run


def _show_retraining(console: Console, what: str, done: int, total: int) -> None:
    end = "\r" if console.is_terminal and done < total else "\n"
    console.print(f"retraining {what}: {done}/{total} runs", end=end)
