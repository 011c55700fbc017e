"""The command ``materialize``: a network from its name into a file, or into a table."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Annotated

import typer

from se_nas.cli.answer import AsJson, answering
from se_nas.cli.options import check_paths
from se_nas.cli.usage import Version
from se_nas.errors import InputError
from se_nas.files import expand_home


def materialize(
    name: Annotated[
        str | None,
        typer.Argument(help="A model, such as se_resnet50_r16; or a run, or a file of ours."),
    ] = None,
    out: Annotated[
        str | None, typer.Option(help="The file to write: .safetensors, .onnx or .pt2.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="A checkpoint: ours, torchvision's or timm's.")
    ] = None,
    num_classes: Annotated[
        int | None,
        typer.Option(help="Classes of the head [default: of a file of ours, else 1000]."),
    ] = None,
    in_channels: Annotated[
        int | None,
        typer.Option(help="Channels of the images [default: of a file of ours, else 3]."),
    ] = None,
    input_size: Annotated[
        int | None,
        typer.Option(
            help="Side of the images in pixels [default: of a file of ours, else the family's]."
        ),
    ] = None,
    missing_se: Annotated[
        str, typer.Option(help="error, or identity: take a checkpoint without SE, outputs equal.")
    ] = "error",
    new_head: Annotated[
        bool, typer.Option("--new-head", help="Leave the classifier fresh.")
    ] = False,
    optimize: Annotated[
        bool, typer.Option("--optimize", help="Fold batch norms first (.onnx, .pt2).")
    ] = False,
    fold: Annotated[
        str | None,
        typer.Option(help="Fold away SE that brings nothing on this data set."),
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder with the files of --fold's data set.")
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="Print shape, parameters, MACs and SE by stage.")
    ] = False,
    table: Annotated[
        int | None, typer.Option(help="Print a table of the paper beside our figures.")
    ] = None,
    as_json: AsJson = False,
    version: Version = False,
) -> None:
    """Build a network and write it as safetensors, ONNX or a torch.export program."""
    from rich.console import RenderableType

    from se_nas.architecture.architecture import Architecture
    from se_nas.cli.write_model import check_path, told_sizes, write_model
    from se_nas.console import make_console, print_lines, print_table
    from se_nas.cost.network_cost import cost
    from se_nas.zoo import tables, zoo

    answer = answering("materialize", as_json)
    console = make_console()
    out, weights = (given and expand_home(given) for given in (out, weights))
    building = {
        "--weights": weights,
        "--missing-se": missing_se != "error",
        "--new-head": new_head,
        "--optimize": optimize,
        "--fold": fold,
    }
    idle = [option for option, given in building.items() if given]
    if out is None and idle:
        raise InputError(f"{idle[0]} is for the file that is written: give --out FILE too")
    if data_dir is not None and fold is None:
        raise InputError("--data-dir is for the images of --fold: give --fold DATA too")
    check_paths(fold=fold, data_dir=data_dir)
    if name is None:
        if table is None or out is not None:
            raise InputError("NAME is missing: give a model such as se_resnet50_r16")
        print_table(console, tables.paper_table(table, console.width))
        answer({"table": [asdict(row) for row in zoo.table(table)]})
        return
    seen = input_size
    if os.path.isdir(expand_home(name)) or name.endswith(".safetensors"):
        if weights is not None:
            raise InputError(f"NAME is {name!r}, which has weights: leave --weights out")
        from se_nas.tasks.trained import trained

        found = trained(name)
        architecture, weights = found.model.architecture, str(found.file)
        told = found.model.preprocessing
        seen = told.image_size if told is not None and input_size is None else input_size
    elif os.path.isfile(name):
        raise InputError(
            f"NAME is the file {name!r}: give the name of its model, and --weights {name}"
        )
    else:
        architecture = Architecture.parse(name)
    path = None if out is None else check_path(out)
    classes, channels = told_sizes(weights, new_head)
    classes = classes if num_classes is None else num_classes
    channels = channels if in_channels is None else in_channels
    shown: list[RenderableType] = []
    written: list[str] = []
    notes: list[str] = []
    if table is not None:
        shown.append(tables.paper_table(table, console.width))
    if summary:
        sizes = {"in_channels": channels, "num_classes": classes}
        shown.append(tables.summary(architecture, input_size=seen, **sizes))
    if path is not None:
        notes = write_model(
            architecture,
            path,
            num_classes=classes,
            in_channels=channels,
            input_size=input_size,
            weights=weights,
            missing_se=missing_se,
            new_head=new_head,
            optimize=optimize,
            fold=fold,
            data_dir=data_dir,
        )
        size = path.stat().st_size / 1e6
        written = [f"{architecture} → {path} ({size:.1f} MB)"]
        written += [f"note: {note}" for note in notes]
    elif not shown:
        raise InputError("nothing to do: give --out FILE, --summary or --table N")
    for each in shown:  # when nothing can be refused any more
        print_table(console, each)
    print_lines(console, written)
    priced = cost(architecture, input_size=seen, in_channels=channels, num_classes=classes)
    answer(
        {
            "architecture": str(architecture),
            "id": architecture.id,
            "cost": priced,
            "file": path,
            "notes": notes,
            "table": None if table is None else [asdict(row) for row in zoo.table(table)],
        }
    )
