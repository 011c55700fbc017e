"""The commands ``explain`` and ``fold``: what SE does in a trained network, and less of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from se_nas.cli.answer import AsJson, answering
from se_nas.cli.options import check_paths
from se_nas.cli.usage import Version
from se_nas.files import expand_home

if TYPE_CHECKING:
    from se_nas.data import Data
    from se_nas.tasks.trained import Trained

MODEL = Annotated[str, typer.Argument(help="A model's file, or the folder it is in.")]
DATA = Annotated[str | None, typer.Option(help="A data set [default: the training's].")]
DATA_DIR = Annotated[str | None, typer.Option(help="Folder with the data's files.")]


def explain(
    model: MODEL,
    data: DATA = None,
    data_dir: DATA_DIR = None,
    out: Annotated[
        str | None, typer.Option(help="A folder for blocks.csv, gates.csv and gates.html.")
    ] = None,
    as_json: AsJson = False,
    version: Version = False,
) -> None:
    """Show what the gates of a network do, and what is lost without them, in validation."""
    from se_nas.console import make_console, print_line
    from se_nas.tasks import explain as work

    answer = answering("explain", as_json)
    check_paths(data=data, data_dir=data_dir, out=out)
    found, images = _read(model, data, data_dir)
    told = work.explain(found.model, images)
    console = make_console()
    print_line(
        console,
        f"{told.architecture}: {100 * told.accuracy:.2f} % of {told.images:,} validation images "
        f"are right; without any SE {100 * told.accuracy - told.without_se:.2f} %",
    )
    print_line(console, f"{'block':<24}{'mean':>7}{'between':>9}{'within':>9}{'constant':>10}"
               f"{'dropped':>9}{'frozen':>8}{'time':>8}")  # fmt: skip
    for block in told.blocks:
        s = block.statistics
        print_line(
            console,
            f"{s.block:<24}{s.mean:>7.3f}{s.between_classes:>9.5f}{s.within_classes:>9.5f}"
            f"{100 * s.near_constant:>8.0f} %{block.dropped:>9.2f}{block.frozen:>8.2f}"
            f"{100 * block.time:>6.1f} %",
        )
    print_line(
        console,
        "between, within: variance of gates over classes and within one; constant: channels that "
        "hardly vary; dropped, frozen: points lost without the block, and with its mean gates; "
        "time: its share of a pass",
    )
    if out is not None:
        folder = Path(expand_home(out))
        told.write_csv(folder)
        work.write_figures(told, folder / "gates.html")
        print_line(console, f"written to {folder}")
    answer(told.to_dict() | {"data": images.name})


def fold(
    model: MODEL,
    out: Annotated[str, typer.Option(help="The safetensors file to write.")],
    data: DATA = None,
    data_dir: DATA_DIR = None,
    budget: Annotated[float, typer.Option(help="Points of accuracy that may be lost.")] = 0.1,
    as_json: AsJson = False,
    version: Version = False,
) -> None:
    """Fold SE that brings nothing into the layers beside it; write the network with less of it."""
    from se_nas.console import make_console, print_lines
    from se_nas.models.saving import save
    from se_nas.tasks.fold import check_budget, fold_se

    answer = answering("fold", as_json)
    check_paths(data=data, data_dir=data_dir, out=out)
    check_budget(budget)
    found, images = _read(model, data, data_dir)
    told = fold_se(found.model, images, budget)
    print_lines(make_console(), told.lines())
    save(told.model, expand_home(out), images.preprocessing)
    answer({"file": out, "data": images.name, **told.to_dict()})


def _read(model: str, data: str | None, data_dir: str | None) -> tuple[Trained, Data]:
    """Return a network and its images."""
    from se_nas.tasks.trained import data_of, trained

    found = trained(model)
    return found, data_of(found, model, data, data_dir)
