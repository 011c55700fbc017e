"""What a search prints at its start and its end, and the tracebacks that it keeps."""

from __future__ import annotations

import os
from collections.abc import Sequence
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
from se_nas.search.proposals import Proposals
from se_nas.search.settings import RunConfig
from se_nas.space import Space


class KeepErrors(tune.Callback):
    """Writes a failed trial's traceback into the run directory."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        text = (trial.last_result or {}).get("traceback")
        if text:
            path = self.run.errors / f"trial-{trial.config['number']:05d}.txt"
            path.write_text(f"{trial.config['name']}\n\n{text}", encoding="utf-8")


def opening(space: Space, config: RunConfig, images: Data, slots: Slots, run: RunDirectory) -> str:
    """Space, data, resources, where the results go, and how to watch."""
    device = f"{slots.gpus:g} GPU and {slots.cpus:g} CPU" if slots.gpus else f"{slots.cpus:g} CPU"
    lines = [
        f"space      {space.name} v{space.version} ({space.hash}), {space.size:,} points, "
        f"{', '.join(map(str, space.objectives))}"
        + (f", with {', '.join(map(str, space.constraints))}" if space.constraints else ""),
        f"data       {images.summary()}",
        f"trials     {config.trials} of {config.epochs} epochs, {slots.count} at once "
        f"on {device} each, sampler {config.sampler}, seed {config.seed}",
        f"run        {_shown(run.path)}",
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
    proposals: Proposals,
    images: Data,
    run: RunDirectory,
) -> None:
    """The table, the verdict and the line that rebuilds the winner."""
    seeds = len(rows[0].test_accs)
    title = f"retrained with {seeds} seed{'s' * (seeds != 1)}, accuracy in %"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("role", no_wrap=True)
    table.add_column("architecture", overflow="fold")
    for column in ("params", "MMACs", "val", "test ± spread"):
        table.add_column(column, justify="right", no_wrap=True)
    best = finals.winner(rows)
    for row in rows:
        table.add_row(
            row.role,
            str(row.architecture),
            f"{row.cost.params:,}",
            f"{row.cost.macs / 1e6:,.2f}",
            f"{100 * row.val_acc:.2f}",
            f"{100 * row.test_acc:.2f} ± {100 * row.test_spread:.2f}",
            style="bold" if row is best else "",
        )
    console.print(table)
    console.print(finals.verdict(rows), soft_wrap=True)
    if proposals.exhausted:
        console.print("the space has no further network that keeps the constraints", soft_wrap=True)
    failed = proposals.counts.ends.get("error", 0)
    if failed:
        console.print(f"{failed} trials failed: see {_shown(run.errors)}", soft_wrap=True)
    call = (
        f'se_nas.materialize("{best.architecture}", num_classes={images.num_classes}, '
        f'in_channels={images.in_channels}, weights="{_shown(run.winner)}")'
    )
    console.print(f"\nthe winner, trained:\n  {call}", soft_wrap=True, highlight=False)


def _shown(path: Path) -> str:
    """Relative to the working directory if that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
