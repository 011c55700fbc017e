"""The lines and tables that a search prints at its start and its end."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from itertools import islice

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from se_nas.architecture.architecture import Architecture
from se_nas.console import ArchitectureCell
from se_nas.data import Data, ImageShape
from se_nas.errors import InputError
from se_nas.latency.table import TimedCost
from se_nas.search.cluster.machine import token_command
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import SearchConfig
from se_nas.search.finals import networks, verdict
from se_nas.search.plan import SearchRun
from se_nas.search.results import run_results
from se_nas.search.run_dir.directory import RESULTS, RunDirectory, display_path
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.ranking import ranking, training_objective
from se_nas.search.worker import checkpoints
from se_nas.space.space import Space
from se_nas.space.templates import trunk_values

SO_FAR = 5


def opening(space: Space, images: ImageShape, run: RunDirectory) -> str:
    """Return the first lines: space, data, and where the results go."""
    limits = f", with {', '.join(map(str, space.constraints))}" if space.constraints else ""
    goals = ", ".join(map(str, space.objectives))
    size = f"{space.size:,} points"
    lines = [
        f"space      {space.name} v{space.version} ({space.hash}), {size}, {goals}{limits}",
        f"data       {images.summary()}",
        f"run        {run.shown}",
    ]
    return "\n".join([*lines, *small_images(space, images)])


def small_images(space: Space, images: ImageShape) -> list[str]:
    """Return a note if the images are far smaller than those that the trunks are made for."""
    made_for = min(value.input_size for value in islice(trunk_values(space.trunk), 100))
    if images.image_size >= made_for / 4:
        return []
    return [
        f"note       images of {images.image_size} px are small for trunks that are made for "
        f'{made_for}; see --image-size and the setting stem="small"'
    ]


def resources(config: SearchConfig, slots: Slots) -> str:
    """Return the lines on trials at once, their resources, and the dashboard."""
    device = f"{slots.gpus:g} GPU and {slots.cpus:g} CPU" if slots.gpus else f"{slots.cpus:g} CPU"
    lines = [
        f"trials     {config.trials} of {config.epochs} epochs, {slots.count} at once "
        f"on {device} each, sampler {config.sampler}, seed {config.seed}"
    ]
    if slots.dashboard:
        lines.append(
            f"dashboard  http://{slots.dashboard}  (trials are the SETrial actors; "
            f"`{token_command()}` prints the token to sign in)"
        )
    return "\n".join(lines)


def taken_up(proposals: Proposals, run: RunDirectory) -> str:
    """Return the line on a resumed run: trials that ended, and those that go on."""
    going_on = proposals.unfinished
    saved = sum(checkpoints.file_of(run.checkpoints, p.number).exists() for p in going_on)
    ended = proposals.counts.accepted - len(going_on)
    return (
        f"resumed    trials: {ended} ended, {len(going_on)} go on, {saved} of them from a "
        "checkpoint"
    )


def interrupted_before(run: RunDirectory) -> str:
    """Return the note on a run like the one that begins, which was cut."""
    return (
        f"note: {run.shown} is a run like this one that was cut; to finish it instead, "
        f"stop and give --resume {run.shown}"
    )


@contextlib.contextmanager
def results_so_far(search_run: SearchRun, proposals: Proposals) -> Iterator[None]:
    """Write what was found if the block is ended by a signal or an error; show it after a signal.

    Raises:
        KeyboardInterrupt, InputError: as the block does.
    """
    plan, run = search_run.plan, search_run.run
    try:
        yield
    except (KeyboardInterrupt, InputError) as end:
        ranked = ranking(proposals.study, plan.space)
        run.write(RESULTS, run_results.of_search(ranked, proposals, plan.config))
        if isinstance(end, KeyboardInterrupt):
            show_so_far(search_run.console, ranked, plan.space, run)
        raise


def show_so_far(
    console: Console,
    ranked: Sequence[tuple[Architecture, Sequence[float]]],
    space: Space,
    run: RunDirectory,
) -> None:
    """Print the best networks of a search that was interrupted, and how to go on."""
    if ranked and len(space.objectives) > 1:
        console.print(_by_objective(f"Pareto front so far, {_networks(ranked)}", ranked, space))
    elif ranked:
        title = f"best so far of {_networks(ranked)} that were trained to their end"
        console.print(_by_objective(title, ranked[:SO_FAR], space))
    console.print(
        f"stopped: what was trained is in {run.shown}; go on with --resume {run.shown}",
        soft_wrap=True,
    )


def show_front(
    console: Console, ranked: Sequence[tuple[Architecture, Sequence[float]]], space: Space
) -> None:
    """Print the Pareto front of a search with several objectives."""
    console.print(_by_objective(f"Pareto front, {_networks(ranked)}", ranked, space))


def _networks(ranked: Sequence[object]) -> str:
    return f"{len(ranked)} network{'s' * (len(ranked) != 1)}"


def _by_objective(
    title: str, ranked: Sequence[tuple[Architecture, Sequence[float]]], space: Space
) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("architecture")
    for objective in space.objectives:
        table.add_column(str(objective), justify="right")
    for architecture, values in ranked:
        table.add_row(ArchitectureCell(architecture), *(f"{value:,.6g}" for value in values))
    return table


def show_results(
    search_run: SearchRun, rows: list[networks.FinalNetwork], proposals: Proposals
) -> None:
    """Print the table, the verdict and the line that rebuilds the winner."""
    plan, run, console = search_run.plan, search_run.run, search_run.console
    images, objective = plan.images, training_objective(plan.space)
    best = networks.winner(rows, objective)
    seeds = len(rows[0].runs)
    title = f"retrained with {seeds} seed{'s' * (seeds != 1)}, accuracy in %"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("role", no_wrap=True)
    table.add_column("architecture")
    timed = isinstance(rows[0].cost, TimedCost)
    times = ("table ms", "ms") if timed else ()
    for column in ("params", "MMACs", *times, "val", "test ± spread"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        over = "" if proposals.space.admits(row.cost) else " (over budget)"
        failed = len(row.runs) - len(row.complete)
        table.add_row(
            row.role + over,
            ArchitectureCell(row.architecture),
            f"{row.cost.params:,}",
            f"{row.cost.macs / 1e6:,.2f}",
            *_times(row),
            f"{100 * row.mean('val_acc'):.2f}",
            f"{100 * row.mean('test_acc'):.2f}"
            + (f" ± {100 * row.test_spread:.2f}" if len(row.complete) > 1 else "")
            + (f" ({failed} failed)" if failed else ""),
            style="bold" if row is best else "",
        )
    console.print(table)
    console.print(verdict.verdict(rows, objective), soft_wrap=True)
    for note in [*at_chance(best, images), *notes(proposals, run)]:
        console.print(f"note: {note}", soft_wrap=True)
    trained = run.winner.exists()
    weights = f', weights="{display_path(run.winner)}"' if trained else ""
    call = (
        f'se_nas.materialize("{best.architecture}", num_classes={images.num_classes}, '
        f"in_channels={images.in_channels}{weights})"
    )
    what = "trained" if trained else "untrained: train() returned no model"
    console.print(
        f"\nthe winner, {what} ({_images_in_words(images)}; also in winner.json):\n  {call}",
        soft_wrap=True,
        highlight=False,
    )


def _images_in_words(images: ImageShape) -> str:
    """Return the preprocessing of the images in words."""
    size = f"of {images.image_size} px"
    if not isinstance(images, Data) or images.is_own:
        return f"images {size}, as the data set gives them"
    mean, std = (", ".join(f"{v:.4f}" for v in part) for part in images.statistics)
    return f"images in [0, 1] {size}, minus {mean}, over {std}"


def at_chance(best: networks.FinalNetwork, images: ImageShape) -> list[str]:
    """Return a note if the winner is no better than one answer for all images.

    The bound is the share of the most frequent class among the validation images, and two standard
    errors of it.
    """
    if not isinstance(images, Data):
        return []
    labels = images.val.labels
    share = float(labels.bincount().max()) / len(labels)
    bound = share + 2 * math.sqrt(share * (1 - share) / len(labels))
    if not best.complete or best.mean("val_acc") > bound:
        return []
    return [
        f"the winner is at chance: {100 * best.mean('val_acc'):.1f} % of the validation images, "
        f"where one answer for all is right in {100 * share:.1f} %; the ranking means nothing. "
        "Train longer (--epochs) or on more images, or make the space's networks smaller"
    ]


def _times(row: networks.FinalNetwork) -> list[str]:
    """Return predicted and measured latency, with half the distance between its quartiles."""
    if not isinstance(row.cost, TimedCost):
        return []
    found = row.latency
    half = 0.0 if found is None else (found.q3_ms - found.q1_ms) / 2
    told = "–" if found is None else f"{found.median_ms:.3g} ± {half:.1g}"
    return [f"{row.cost.latency_ms:.3g}", told]


def notes(proposals: Proposals, run: RunDirectory) -> list[str]:
    """Return notes on the search behind the table: its end, failed trials, biased starts."""
    found: list[str] = []
    if proposals.exhausted:
        keeping = " within the constraints" if proposals.space.constraints else ""
        count = proposals.counts.accepted
        found.append(
            f"the sampler found no further network{keeping}"
            if proposals.sampled
            else f"the grid is done: {count} network{'s' * (count != 1)}{keeping}"
        )
    failed = proposals.counts.failed
    if failed:
        found.append(
            f"{failed} trial{'s' * (failed != 1)} failed; tracebacks are in "
            f"{display_path(run.errors)}"
        )
    count = proposals.counts.unpreserved
    if count:
        found.append(
            f"in {count} trial{'s' * (count != 1)} an SE block could not start as if it were not "
            "there, and short budgets are biased against it (docs/search.md, 4)"
        )
    return found
