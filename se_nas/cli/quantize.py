"""The command ``quantize``: a trained network in 8-bit integers, beside float32."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from se_nas.cli.answer import AsJson, answering
from se_nas.cli.options import check_paths
from se_nas.cli.usage import Version
from se_nas.errors import InputError
from se_nas.files import expand_home


def quantize(
    model: Annotated[str, typer.Argument(help="A model's file, or the folder it is in.")],
    out: Annotated[str, typer.Option(help="The .onnx file to write.")],
    data: Annotated[str | None, typer.Option(help="A data set [default: the training's].")] = None,
    data_dir: Annotated[str | None, typer.Option(help="Folder with the data's files.")] = None,
    images: Annotated[
        int, typer.Option(help="Training images by which the scales of maps are set.")
    ] = 256,
    keep_se: Annotated[
        bool, typer.Option("--keep-se", help="Leave the SE blocks in float32.")
    ] = False,
    as_json: AsJson = False,
    version: Version = False,
) -> None:
    """Write a network as ONNX with 8-bit weights and maps; say what it loses, by SE block too."""
    from se_nas.console import make_console, print_lines
    from se_nas.models.export import Differs, check_packages
    from se_nas.tasks.quantize import quantize as work
    from se_nas.tasks.trained import data_of, trained
    from se_nas.values import whole

    answer = answering("quantize", as_json)
    check_paths(data=data, data_dir=data_dir, out=out)
    whole("images", images, 1)
    check_packages("quantize")
    path = Path(expand_home(out))
    if path.suffix != ".onnx":
        raise InputError(f"out is {out!r}; give a name that ends with .onnx")
    found = trained(model)
    source = data_of(found, model, data, data_dir)
    try:
        told = work(found.model, source, path, images=images, keep_se=keep_se)
    except Differs as error:
        raise InputError(f"{error}; {out} was not written") from None
    print_lines(make_console(), [*told.lines(), f"written to {out}"])
    answer({"file": out, **told.to_dict()})
