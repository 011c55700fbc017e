"""The command ``list``: models, spaces, data sets, recipes and runs, a line each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from se_nas.cli.answer import AsJson, answering
from se_nas.cli.options import check_paths
from se_nas.cli.usage import Version
from se_nas.errors import InputError, unknown
from se_nas.files import expand_home


def list_(
    what: Annotated[str, typer.Argument(help="models, spaces, data, recipes or runs.")],
    out: Annotated[str, typer.Option(help="Folder of the runs.")] = "runs",
    as_json: AsJson = False,
    version: Version = False,
) -> None:
    """List what there is by name: models, spaces, data sets, recipes, or your runs."""
    from se_nas.console import make_console, print_lines

    answer = answering("list", as_json)
    check_paths(out=out)
    if what not in LISTS:
        raise unknown("list", what, LISTS)
    items, line = LISTS[what]
    found = [*items(out)]
    print_lines(make_console(), map(line, found))
    if what == "runs" and not found:
        print_lines(make_console(), [f"no runs in {out}"])
    answer({"list": what, "items": found})


Item = dict[str, Any]


def _models(_: str) -> Iterator[Item]:
    from se_nas import trunks
    from se_nas.zoo import zoo

    for name in sorted(set(zoo.names()) | set(trunks.aliases())):
        yield {"name": name}


def _spaces(_: str) -> Iterator[Item]:
    from se_nas.space.space_files import space_files
    from se_nas.spaces import load_space

    for name in sorted(space_files()):
        space = load_space(name)
        yield {
            "name": name,
            "points": space.size,
            "objectives": [str(objective) for objective in space.objectives],
            "constraints": [str(constraint) for constraint in space.constraints],
        }


def _space_line(item: Item) -> str:
    limits = ", ".join(item["constraints"])
    told = f"{item['points']:,} points, {', '.join(item['objectives'])}"
    return f"{item['name']:<18} {told}{f', with {limits}' if limits else ''}"


def _data(_: str) -> Iterator[Item]:
    from se_nas.data.source import LAYOUTS
    from se_nas.data.sources import DATASETS

    for name in DATASETS:
        files = LAYOUTS.get(name, "comes with scikit-learn: needs no folder")
        yield {"name": name, "files": files}
    yield {"name": "FILE.py", "files": "data sets of your own (docs/python.md)"}


def _recipes(_: str) -> Iterator[Item]:
    from se_nas.training.recipes import EPOCHS, RECIPES

    for name, recipe in RECIPES.items():
        yield {"name": name, "epochs": EPOCHS[name], **asdict(recipe)}


def _recipe_line(item: Item) -> str:
    return (
        f"{item['name']:<18} {item['optimizer']}, rate {item['learning_rate']:g}, batch "
        f"{item['batch_size']}, {item['schedule']}, {item['epochs']} epochs"
    )


def _runs(out: str) -> Iterator[Item]:
    from se_nas.search.run_dir.directory import RESULTS, SETTINGS, RunDirectory
    from se_nas.tasks.card import CARD, Card

    folder = Path(expand_home(out))
    found = sorted(folder.glob(f"*/{SETTINGS}")) if os.path.isdir(folder) else []
    for settings in found:
        path = settings.parent
        run = RunDirectory(path)
        kind, told = "search" if (path / "space.json").is_file() else "training", "not complete"
        try:
            if kind == "search" and (path / RESULTS).is_file():
                results = run.read(RESULTS)
                told = f"winner {results['winner']}" if "winner" in results else told
            elif (path / CARD).is_file():
                told = next(iter(Card.read(path).lines()))
                told = told.partition(" (")[0].partition(";")[0]
        except InputError as error:
            told = str(error)
        yield {"name": path.name, "kind": kind, "result": told}


# The items of each list, and the line of one.
LISTS: dict[str, tuple[Callable[[str], Iterator[Item]], Callable[[Item], str]]] = {
    "models": (_models, lambda item: str(item["name"])),
    "spaces": (_spaces, _space_line),
    "data": (_data, lambda item: f"{item['name']:<14} {item['files']}"),
    "recipes": (_recipes, _recipe_line),
    "runs": (_runs, lambda item: f"{item['name']}  {item['kind']}, {item['result']}"),
}
