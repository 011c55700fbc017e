"""The way through a search: plan → run directory → cluster → price → study → trials → finals."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from rich.console import Console

from se_nas.console import print_line, print_lines
from se_nas.errors import InputError
from se_nas.search.cluster.connection import check_addresses, connected
from se_nas.search.config import SearchConfig
from se_nas.search.finals import cache as finals_cache
from se_nas.search.finals.controls import control_architectures, early_best
from se_nas.search.finals.forecast import forecast
from se_nas.search.finals.networks import FinalNetwork, winner
from se_nas.search.finals.racing import Budget
from se_nas.search.finals.retrain import retrain
from se_nas.search.finals.retraining import Retrainer
from se_nas.search.plan import Plan, SearchRun
from se_nas.search.pricing.latency_table import measure_networks, with_latency
from se_nas.search.report.ending import answer_again, write_report_and_answer
from se_nas.search.results import opening, run_results, summary
from se_nas.search.results.again import show_again
from se_nas.search.results.effects import Answer, answer, believed_of
from se_nas.search.results.failed_search import explain_ends, explain_search
from se_nas.search.results.winner_card import winner_card
from se_nas.search.run_dir import directory, new_run
from se_nas.search.run_dir.data_files import check_data_files, write_data_files
from se_nas.search.run_dir.directory import RESULTS, RunDirectory
from se_nas.search.run_dir.lock import run_lock
from se_nas.search.run_dir.resume import (
    find_interrupted,
    is_done,
    note_session,
    read_space,
    resume_notes,
    resumed_config,
)
from se_nas.search.study import joining
from se_nas.search.study.belief import by_belief
from se_nas.search.study.drivers import new_driver_name, shared_study
from se_nas.search.study.feasibility import feasibility
from se_nas.search.study.initial_points import check_enqueued
from se_nas.search.study.journal import repair_journal
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.random_draws import plain_trunks
from se_nas.search.study.ranking import decisive, ranking, training_objective
from se_nas.search.study.records import records
from se_nas.search.study.recovery import recover
from se_nas.search.study.storage_errors import storage_errors_as_input_errors
from se_nas.search.study.study import create_study, propose
from se_nas.search.study.time_keeper import TimeKeeper
from se_nas.search.tuning.tune import tune_trials
from se_nas.search.worker import checkpoints
from se_nas.search.worker.shared_data import NO_OBJECTS, UserObjects
from se_nas.signals import raise_on_signal
from se_nas.space.space import Space


def search(
    space: Space,
    config: SearchConfig,
    console: Console,
    driver: str = "",
    user: UserObjects = NO_OBJECTS,
) -> RunDirectory:
    """Run a search and print its table.

    Args:
        driver: the name of one that joins the study of another driver.
        user: the user's Python objects.

    Returns:
        The run directory with the study, the results and the winner's weights.

    Raises:
        InputError: something in the settings cannot be used, and nothing was trained; or no trial
            reached its end.
    """
    check_addresses(config)
    plan = Plan.of(space, config, user, console)
    if driver:
        joining.check_images(config, plan.images)
    run = new_run.create(space, config, driver)
    with _driving(run), ExitStack() as stack:
        print_lines(console, opening.opening(space, plan.images, run))
        interrupted = None if driver else find_interrupted(space, config)
        if interrupted is not None:
            print_line(console, opening.interrupted_before(interrupted))
        with run.discarded_on(InputError, KeyboardInterrupt):  # measured latencies are cached
            write_data_files(run, plan.images)
            search_run = stack.enter_context(_connected(plan, run, console))
            search_run = with_latency(search_run)
            check_enqueued(space, search_run.plan.price, plan.enqueued)
        with run.discarded_on(InputError):
            proposals = _begin(search_run)
        return _work(search_run, proposals)


def resume(
    which: str,
    space: Space | None,
    asked: SearchConfig,
    named: Collection[str],
    console: Console,
    user: UserObjects = NO_OBJECTS,
) -> RunDirectory:
    """Take up a run that was cut, and finish it; show one again that is complete.

    Args:
        which: its folder, or its name in ``asked.out``.
        space: one that must be the run's; None takes the run's without a question.
        asked, named: the settings that are given, and the options that the user wrote.
        user: the user's Python objects, the same as at the start.

    Raises:
        InputError: there is no such run, another driver has it, or something is asked for that
            cannot change.
    """
    run = directory.find(which, asked.out)
    space, config = read_space(run, space), resumed_config(run, asked, named)
    if is_done(run, config):
        show_again(run, console)
        answer_again(run, console)
        return run
    with _driving(run):
        check_addresses(config)
        plan = Plan.of(space, config, user, console)
        check_data_files(run, plan.images)
        run.make_folders()
        notes = resume_notes(run)
        repaired = repair_journal(run.journal)
        print_lines(console, opening.opening(plan.space, plan.images, run))
        study = create_study(plan.space, plan.config, run, resume=True)
        with _connected(plan, run, console) as search_run:
            for note in filter(None, [repaired, *notes]):
                print_line(console, f"note: {note}")
            search_run = with_latency(search_run)
            plan = search_run.plan
            proposals = propose(
                study, plan.space, plan.price, plan.config, shared_study(study, run), plan.initial
            )
            recover(proposals)
            checkpoints.tidy(run.checkpoints, {p.number for p in proposals.unfinished})
            print_line(console, opening.taken_up(proposals, run))
            # A complete run keeps its results until here, so that a failed resume loses nothing.
            run_results.clear_ending(run)
            note_session(run, plan.config)
            return _work(search_run, proposals)


def join(
    space: Space | None, asked: SearchConfig, named: Collection[str], console: Console
) -> RunDirectory:
    """Work on a study that another driver began, until it has all its trials.

    Args:
        space: one that must be the study's; None takes the study's without a question.
        asked, named: the settings that are given, and the options that the user wrote.

    Raises:
        InputError: there is no such study, something is asked for that is not the study's, or what
            ``search`` raises.
    """
    space, config = joining.joined_config(space, asked, named)
    return search(space, config, console, driver=new_driver_name(str(config.name)))


@contextlib.contextmanager
def _driving(run: RunDirectory) -> Iterator[None]:
    """Be the one driver of a run; signals and failing disks end it in one line."""
    with raise_on_signal(), run_lock(run), storage_errors_as_input_errors(run):
        yield


@contextlib.contextmanager
def _connected(plan: Plan, run: RunDirectory, console: Console) -> Iterator[SearchRun]:
    with connected(plan.config, run.errors) as slots:
        print_lines(console, opening.resources(plan.config, slots))
        yield SearchRun(plan, run, slots, console)


def _begin(search_run: SearchRun) -> Proposals:
    """Make the study of a new run, and write results that say that it began."""
    plan, run, console = search_run.plan, search_run.run, search_run.console
    study = create_study(plan.space, plan.config, run, sampler=plan.sampler)
    for line in feasibility(plan.space, plan.price, plan.feasible_share, plan.config.seed):
        print_line(console, line)
    proposals = propose(
        study, plan.space, plan.price, plan.config, shared_study(study, run), plan.initial
    )
    run.write(RESULTS, run_results.of_search([], proposals, plan.config))
    proposals.sync()
    return proposals


def _work(search_run: SearchRun, proposals: Proposals) -> RunDirectory:
    """Train what is missing, then retrain the best and show the results."""
    plan, run, console = search_run.plan, search_run.run, search_run.console
    keeper = TimeKeeper(
        proposals,
        plan.config,
        search_run.slots.count,
        lambda told: print_line(console, opening.header("plan", told)),
        plan.began,
    )
    proposals.closes = keeper.is_over
    with (
        _reported_if_interrupted(search_run, proposals),
        summary.results_so_far(search_run, proposals),
    ):
        while proposals.open:
            tune_trials(search_run, proposals)
        if run.joined:
            joining.finish_joined(proposals, plan.config, run, console)
            return run
        joining.wait_for_drivers(proposals, console)
        ranked = ranking(proposals.study, plan.space)
        if not ranked:
            raise InputError(explain_search(proposals, plan.config, run))
        found = answer(records(proposals.study), plan.space, plan.price)
        searched = run_results.of_search(ranked, proposals, plan.config, found)
        run.write(RESULTS, searched)
        if len(plan.space.objectives) > 1:
            summary.show_front(console, ranked, plan.space)
        at = decisive(plan.space)
        believed = by_belief(proposals.study, plan.space, plan.price, ranked)
        best = [(architecture, values[at]) for architecture, values in believed[: plan.config.top]]
        trials = list(records(proposals.study))
        controls = partial(
            control_architectures,
            trunks=plain_trunks(plan.space),
            price=plan.price,
            early=early_best(trials, training_objective(plan.space)),
        )
        most = max(len(controls(architecture)) for architecture, _ in best)
        top, runs = keeper.final_runs(len(best), most)
        best, config = best[:top], replace(plan.config, final_runs=runs)
        ahead = forecast(trials, [a for a, _ in best], most, config, search_run.slots)
        print_line(console, opening.header("finals", ahead))
        rows = retrain(
            best,
            controls,
            Retrainer(search_run).train,
            plan.price,
            training_objective(plan.space),
            Budget(config.final_seeds, config.final_runs, search_run.slots.count),
            first_seed=plan.config.seed + 1,
        )
    _conclude(search_run, proposals, rows, searched, found)
    return run


def _conclude(
    search_run: SearchRun,
    proposals: Proposals,
    rows: list[FinalNetwork],
    searched: run_results.Searched,
    found: Answer | None,
) -> None:
    """Write the winner and the results, time the final networks, and print the table."""
    plan, run = search_run.plan, search_run.run
    objective = training_objective(plan.space)
    best = winner(rows, objective)
    if not best.complete:
        ends = [(done.end, done.reason) for row in rows for done in row.runs]
        raise InputError(
            f"{explain_ends('retraining', ends, plan.config, run)}; the search itself is done: "
            f"mend that and go on with {run.resume}"
        )
    believed = believed_of(found, plan.config)
    run_results.keep_winner(best, plan.images, run)
    card = winner_card(best, plan.images, plan.config, run, search_run.slots)
    if card is not None:
        card.write(run.path)
    run.write(RESULTS, run_results.of_run(rows, objective, searched, believed))
    finals_cache.remove(run.finals)
    try:
        latencies = measure_networks(search_run, [row.architecture for row in rows])
        rows = [row.with_latency(latency) for row, latency in zip(rows, latencies, strict=True)]
        run.write(RESULTS, run_results.of_run(rows, objective, searched, believed))
    finally:  # Ctrl-C too: the run is complete
        summary.show_results(search_run, rows, proposals, found)
        write_report_and_answer(search_run.run, proposals.study, search_run.console)


@contextlib.contextmanager
def _reported_if_interrupted(search_run: SearchRun, proposals: Proposals) -> Iterator[None]:
    """Write the report if the block is ended by a signal."""
    try:
        yield
    except KeyboardInterrupt:
        write_report_and_answer(search_run.run, proposals.study, search_run.console)
        raise
