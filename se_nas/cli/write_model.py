"""Files of ``se-nas materialize``: a model in the format of the suffix."""

from __future__ import annotations

import os
from pathlib import Path

from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import parts
from se_nas.errors import InputError, unknown

FORMATS = (".safetensors", ".onnx", ".pt2")


def check_path(out: str) -> Path:
    """Raise an ``InputError`` before anything is built if the file cannot be written."""
    path = Path(out)
    if path.suffix not in FORMATS:
        raise unknown("format of --out", path.suffix, FORMATS)
    if not os.path.isdir(path.parent):
        raise InputError(f"--out: there is no folder {str(path.parent)!r}")
    if os.path.isdir(path):
        raise InputError(f"--out {out!r} is a folder; give a file in it")
    try:
        path.exists()
    except OSError as error:  # a name that is too long
        raise InputError(f"--out {out!r} cannot be written: {error.strerror}") from None
    return path


def write_model(
    architecture: Architecture,
    path: Path,
    *,
    num_classes: int,
    in_channels: int,
    input_size: int | None,
    weights: str | None,
    missing_se: str,
    new_head: bool,
    optimize: bool,
) -> None:
    """Build the network and write it.

    Raises:
        InputError: an option does not fit another, or the network; before anything is built
            wherever that can be known by then.
    """
    if weights is None and (new_head or missing_se != "error"):
        option = "--new-head" if new_head else f"--missing-se {missing_se}"
        raise InputError(f"{option} says what becomes of a checkpoint: give --weights too")
    if optimize and path.suffix == ".safetensors":
        raise InputError("--optimize folds weights that safetensors keeps: write .onnx or .pt2")
    parts(architecture, input_size=input_size, in_channels=in_channels, num_classes=num_classes)
    from se_nas.models import export
    from se_nas.models.materialize import materialize
    from se_nas.models.saving import save
    from se_nas.nn.inference import optimize_for_inference

    model = materialize(
        architecture,
        num_classes=num_classes,
        in_channels=in_channels,
        weights=weights,
        missing_se=missing_se,  # type: ignore[arg-type]
        new_head=new_head,
    )
    if optimize:
        model = optimize_for_inference(model, input_size)
    if path.suffix == ".safetensors":
        save(model, path)
    elif path.suffix == ".onnx":
        export.export_onnx(model, path, input_size)
    else:
        export.export_program(model, path, input_size)
