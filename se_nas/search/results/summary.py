"""The lines and tables that a search prints at its end."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence

from rich.console import Console

from se_nas.architecture.architecture import Architecture
from se_nas.console import (
    NetworkRow,
    print_line,
    print_lines,
    print_networks,
    python_text,
    shell_word,
)
from se_nas.data import Data, ImageShape
from se_nas.errors import InputError
from se_nas.latency.table import TimedCost
from se_nas.search.finals import networks
from se_nas.search.finals.verdict import verdict
from se_nas.search.plan import SearchRun
from se_nas.search.results import run_results
from se_nas.search.results.doubts import doubts
from se_nas.search.results.effects import Answer, believed_of, show_answer
from se_nas.search.results.opening import to_resume
from se_nas.search.run_dir.directory import FAILED, RESULTS, RunDirectory, display_path
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.ranking import ranking, training_objective
from se_nas.search.study.records import records
from se_nas.space.objectives import SHARES, Objective, show_value, with_unit
from se_nas.space.space import Space

SO_FAR = 5


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
        found = run_results.of_search(ranked, proposals, plan.config)
        if isinstance(end, InputError) and not ranked and proposals.counts.ended:
            found[FAILED] = str(end)
        run.write(RESULTS, found)
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
        _show_ranked(console, f"Pareto front so far, {_networks(ranked)}", ranked, space)
    elif ranked:
        title = f"best so far of {_networks(ranked)} that were trained to their end"
        _show_ranked(console, title, ranked[:SO_FAR], space)
    print_line(console, f"stopped: what was trained is in {run.shown}; go on with {to_resume(run)}")


def show_front(
    console: Console, ranked: Sequence[tuple[Architecture, Sequence[float]]], space: Space
) -> None:
    """Print the Pareto front of a search with several objectives."""
    _show_ranked(console, f"Pareto front, {_networks(ranked)}", ranked, space)


def _networks(ranked: Sequence[object]) -> str:
    return f"{len(ranked)} network{'s' * (len(ranked) != 1)}"


def _show_ranked(
    console: Console,
    title: str,
    ranked: Sequence[tuple[Architecture, Sequence[float]]],
    space: Space,
) -> None:
    metrics = [objective.metric for objective in space.objectives]
    rows = [
        NetworkRow(f"{i + 1}", str(architecture), [*map(show_value, metrics, values)])
        for i, (architecture, values) in enumerate(ranked)
    ]
    heads = [with_unit(objective.metric, str(objective)) for objective in space.objectives]
    print_networks(console, title, heads, rows)


def show_results(
    search_run: SearchRun,
    rows: list[networks.FinalNetwork],
    proposals: Proposals,
    found: Answer | None = None,
) -> None:
    """Print the effects, the final table, the verdict and the line that rebuilds the winner."""
    plan, run, console = search_run.plan, search_run.run, search_run.console
    images, objective = plan.images, training_objective(plan.space)
    best = networks.winner(rows, objective)
    seeds, epochs = (
        max(len(row.runs) for row in rows),
        plan.config.final_epochs or plan.config.epochs,
    )
    title = (
        f"{'mean of ' * (seeds > 1)}{seeds} seed{'s' * (seeds != 1)}, {epochs} "
        f"epoch{'s' * (epochs != 1)} each; * the winner, chosen on validation images"
    )
    timed = isinstance(rows[0].cost, TimedCost)
    metrics = shown_share(objective), networks.tested(rows, objective)
    val, test = (
        f"{part}{_kind(metric)}" for part, metric in zip(("val", "test"), metrics, strict=True)
    )
    columns = ("params", "MMACs", *(("table ms", "ms") if timed else ()), f"{val} %",
               f"{test} ± spread %" if seeds > 1 else f"{test} %")  # fmt: skip
    if found is not None:
        show_answer(console, found)
    print_line(console, "")
    print_networks(
        console,
        title,
        columns,
        [_final_row(row, row is best, proposals.space, seeds, metrics) for row in rows],
    )
    print_line(console, verdict(rows, objective, believed_of(found, plan.config)))
    print_lines(
        console,
        (
            f"note: {note}"
            for note in [
                *doubts(records(proposals.study), rows, best, images),
                *notes(proposals, run),
            ]
        ),
    )
    trained = run.winner.exists()
    what = "trained" if trained else "untrained: train() returned no model"
    print_line(console, "")
    print_line(console, f"the winner, {what} ({_images_in_words(images)}; also in winner.json):")
    print_line(console, f"  {rebuilding_call(best.architecture, images, run)}")
    if trained and any(best.architecture.se):
        shown = shell_word(run.shown)
        print_line(console, "what its SE does, and the network without what of it brings nothing:")
        print_line(console, f"  se-nas explain {shown}")
        print_line(console, f"  se-nas fold {shown} --out lighter.safetensors")


def rebuilding_call(architecture: Architecture, images: ImageShape, run: RunDirectory) -> str:
    """Return the line of Python that builds the winner, with its weights if there are any."""
    weights = f", weights={python_text(display_path(run.winner))}" if run.winner.exists() else ""
    return (
        f'se_nas.materialize("{architecture}", num_classes={images.num_classes}, '
        f"in_channels={images.in_channels}{weights})"
    )


def shown_share(objective: Objective) -> str:
    """Return the share in validation that a table shows: the one that is sought, or accuracy."""
    return objective.metric if objective.metric in SHARES else "val_acc"


def _kind(metric: str) -> str:
    """Return what kind of accuracy a column has, where it is not the plain one."""
    kinds = {"balanced_accuracy": " balanced", "macro_f1": " F1"}
    return kinds.get(metric.removeprefix("test_"), "")


def _final_row(
    row: networks.FinalNetwork, best: bool, space: Space, seeds: int, metrics: tuple[str, str]
) -> NetworkRow:
    val, tested = metrics
    over = "" if space.admits(row.cost) else " (over budget)"
    failed, fewer = len(row.runs) - len(row.complete), len(row.runs) < seeds
    test = _percent(row.mean(tested))
    if len(row.complete) > 1:
        test += f" ± {_percent(row.spread(tested))}"
    cells = (
        f"{row.cost.params:,}",
        f"{row.cost.macs / 1e6:,.2f}",
        *_times(row),
        _percent(row.mean(val)),
        test + f" ({failed} failed)" * bool(failed) + f" ({len(row.runs)} seeds)" * fewer,
    )
    return NetworkRow(row.role + over + " *" * best, str(row.architecture), cells, best)


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else show_value("val_acc", share)


def _images_in_words(images: ImageShape) -> str:
    """Return the preprocessing of the images in words."""
    size = f"of {images.image_size} px"
    if not isinstance(images, Data) or images.is_own:
        return f"images {size}, as the data set gives them"
    mean, std = (", ".join(f"{v:.4f}" for v in part) for part in images.statistics)
    return f"images in [0, 1] {size}, minus {mean}, over {std}"


def _times(row: networks.FinalNetwork) -> list[str]:
    """Return predicted and measured latency, with half the distance between its quartiles."""
    if not isinstance(row.cost, TimedCost):
        return []
    found = row.latency
    half = 0.0 if found is None else (found.q3_ms - found.q1_ms) / 2
    told = "–" if found is None else f"{found.median_ms:.3f} ± {half:.3f}"
    return [f"{row.cost.latency_ms:.3f}", told]


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
            "there, and short budgets are biased against it (docs/searching.md, 4)"
        )
    return found
