"""The command ``list``: models, spaces, data sets, recipes and runs, a line each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from se_nas.cli.options import check_paths
from se_nas.cli.usage import Version
from se_nas.errors import InputError, unknown
from se_nas.files import expand_home


def list_(
    what: Annotated[str, typer.Argument(help="models, spaces, data, recipes or runs.")],
    out: Annotated[str, typer.Option(help="Folder of the runs.")] = "runs",
    version: Version = False,
) -> None:
    """List what there is by name: models, spaces, data sets, recipes, or your runs."""
    from se_nas.console import make_console, print_lines

    check_paths(out=out)
    if what not in LISTS:
        raise unknown("list", what, LISTS)
    print_lines(make_console(), LISTS[what](out))


def _models(_: str) -> Iterator[str]:
    from se_nas.zoo.zoo import names

    yield from names()


def _spaces(_: str) -> Iterator[str]:
    from se_nas.space.space_files import space_files
    from se_nas.spaces import load_space

    for name in sorted(space_files()):
        space = load_space(name)
        limits = ", ".join(map(str, space.constraints))
        told = f"{space.size:,} points, {', '.join(map(str, space.objectives))}"
        yield f"{name:<18} {told}{f', with {limits}' if limits else ''}"


def _data(_: str) -> Iterator[str]:
    from se_nas.data.source import LAYOUTS
    from se_nas.data.sources import DATASETS

    for name in DATASETS:
        yield f"{name:<14} {LAYOUTS.get(name, 'comes with scikit-learn: needs no folder')}"
    yield f"{'FILE.py':<14} data sets of your own (docs/python.md)"


def _recipes(_: str) -> Iterator[str]:
    from se_nas.training.recipes import EPOCHS, RECIPES

    for name, recipe in RECIPES.items():
        yield (
            f"{name:<18} {recipe.optimizer}, rate {recipe.learning_rate:g}, batch "
            f"{recipe.batch_size}, {recipe.schedule}, {EPOCHS[name]} epochs"
        )


def _runs(out: str) -> Iterator[str]:
    from se_nas.search.run_dir.directory import RESULTS, SETTINGS, RunDirectory
    from se_nas.tasks.card import CARD, Card

    folder = Path(expand_home(out))
    found = sorted(folder.glob(f"*/{SETTINGS}")) if os.path.isdir(folder) else []
    if not found:
        yield f"no runs in {out}"
    for settings in found:
        path = settings.parent
        run = RunDirectory(path)
        try:
            if (path / "space.json").is_file():
                results = run.read(RESULTS) if (path / RESULTS).is_file() else {}
                end = f"winner {results['winner']}" if "winner" in results else "not complete"
                yield f"{path.name}  search, {end}"
            elif (path / CARD).is_file():
                told = next(iter(Card.read(path).lines()))
                yield f"{path.name}  training, {told.partition(' (')[0].partition(';')[0]}"
            else:
                yield f"{path.name}  training, not complete"
        except InputError as error:
            yield f"{path.name}  {error}"


LISTS = {"models": _models, "spaces": _spaces, "data": _data, "recipes": _recipes, "runs": _runs}
