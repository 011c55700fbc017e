"""What a search prints at its start and its end, and the tracebacks that it keeps."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ray import tune
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from se_nas.arch import Architecture
from se_nas.data import Data
from se_nas.search import finals
from se_nas.search.cluster import Slots
from se_nas.search.directory import RunDirectory
from se_nas.search.proposals import Proposals, feasible
from se_nas.search.settings import RunConfig
from se_nas.space import Space
from se_nas.templates import trunk_values


class KeepErrors(tune.Callback):
    """Writes a failed trial's traceback into the run directory."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._keep(trial, (trial.last_result or {}).get("traceback"))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        noted = Path(trial.error_file) if trial.error_file else None
        self._keep(trial, noted.read_text(encoding="utf-8") if noted and noted.exists() else None)

    def _keep(self, trial: Any, text: str | None) -> None:
        if text:
            path = self.run.errors / f"trial-{trial.config['number']:05d}.txt"
            path.write_text(f"{trial.config['name']}\n\n{text}", encoding="utf-8")


def opening(space: Space, images: Data, run: RunDirectory) -> str:
    """Space, data, and where the results go."""
    limits = f", with {', '.join(map(str, space.constraints))}" if space.constraints else ""
    goals = ", ".join(map(str, space.objectives))
    size = f"{space.size:,} points"
    lines = [
        f"space      {space.name} v{space.version} ({space.hash}), {size}, {goals}{limits}",
        f"data       {images.summary()}",
        f"run        {_shown(run.path)}",
    ]
    return "\n".join([*lines, *small_images(space, images)])


def small_images(space: Space, images: Data) -> list[str]:
    """A note where the images are far smaller than what the trunks are made for."""
    made_for = min(value.input_size for value in islice(trunk_values(space.trunk), 100))
    if images.image_size >= made_for / 4:
        return []
    return [
        f"note       images of {images.image_size} px are small for trunks that are made for "
        f'{made_for}; see --image-size and the setting stem="small"'
    ]


def resources(config: RunConfig, slots: Slots) -> str:
    """How many trials at once, on what, and how to watch them."""
    device = f"{slots.gpus:g} GPU and {slots.cpus:g} CPU" if slots.gpus else f"{slots.cpus:g} CPU"
    lines = [
        f"trials     {config.trials} of {config.epochs} epochs, {slots.count} at once "
        f"on {device} each, sampler {config.sampler}, seed {config.seed}"
    ]
    if slots.dashboard:
        lines.append(
            f"dashboard  http://{slots.dashboard}  (trials are the SETrial actors; "
            "`ray get-auth-token` prints the token to sign in)"
        )
    return "\n".join(lines)


def show_front(
    console: Console, ranked: Sequence[tuple[Architecture, Sequence[float]]], space: Space
) -> None:
    """The Pareto front of a search with several objectives."""
    title = f"Pareto front, {len(ranked)} networks"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("architecture", overflow="fold")
    for objective in space.objectives:
        table.add_column(str(objective), justify="right")
    for architecture, values in ranked:
        table.add_row(str(architecture), *(f"{value:,.6g}" for value in values))
    console.print(table)


def show_results(
    console: Console,
    rows: list[finals.Final],
    best: finals.Final,
    claim: str,
    proposals: Proposals,
    images: Data,
    run: RunDirectory,
) -> None:
    """The table, the verdict and the line that rebuilds the winner."""
    seeds = len(rows[0].runs)
    title = f"retrained with {seeds} seed{'s' * (seeds != 1)}, accuracy in %"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("role", no_wrap=True)
    table.add_column("architecture", overflow="fold")
    for column in ("params", "MMACs", "val", "test ± spread"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        over = "" if feasible(proposals.space, row.cost) else " (over budget)"
        failed = len(row.runs) - len(row.complete)
        table.add_row(
            row.role + over,
            str(row.architecture),
            f"{row.cost.params:,}",
            f"{row.cost.macs / 1e6:,.2f}",
            f"{100 * row.mean('val_acc'):.2f}",
            f"{100 * row.mean('test_acc'):.2f}"
            + (f" ± {100 * row.test_spread:.2f}" if len(row.complete) > 1 else "")
            + (f" ({failed} failed)" if failed else ""),
            style="bold" if row is best else "",
        )
    console.print(table)
    console.print(claim, soft_wrap=True)
    for note in [*at_chance(best, images), *_notes(proposals, run)]:
        console.print(f"note: {note}", soft_wrap=True)
    call = (
        f'se_nas.materialize("{best.architecture}", num_classes={images.num_classes}, '
        f'in_channels={images.in_channels}, weights="{_shown(run.winner)}")'
    )
    mean, std = (", ".join(f"{v:.4f}" for v in part) for part in images.statistics)
    console.print(
        f"\nthe winner, trained (images in [0, 1] of {images.image_size} px, minus {mean}, over "
        f"{std}; also in winner.json):\n  {call}",
        soft_wrap=True,
        highlight=False,
    )


def at_chance(best: finals.Final, images: Data) -> list[str]:
    """A note where the winner knows no more than one answer for all: then no ranking means much.

    The bound is the share of the most frequent class among the validation images, and two standard
    errors of it.
    """
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


def _notes(proposals: Proposals, run: RunDirectory) -> list[str]:
    notes: list[str] = []
    if proposals.exhausted:
        notes.append("the sampler found no further network that keeps the constraints")
    failed = proposals.counts.ends.get("error", 0) + proposals.counts.ends.get("lost", 0)
    if failed:
        notes.append(
            f"{failed} trial{'s' * (failed != 1)} failed; tracebacks are in {_shown(run.errors)}"
        )
    count = proposals.counts.unpreserved
    if count:
        notes.append(
            f"in {count} trial{'s' * (count != 1)} an SE block could not start as if it were not "
            "there, and short budgets are biased against it (docs/search.md, 4)"
        )
    return notes


def first_error(run: RunDirectory) -> str:
    """The last line of the first traceback in a run, for a one-line message."""
    files = sorted(run.errors.glob("*.txt"))
    return f" ({files[0].read_text(encoding='utf-8').strip().splitlines()[-1]})" if files else ""


def _shown(path: Path) -> str:
    """Relative to the working directory if that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
