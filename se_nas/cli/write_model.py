"""Files of ``se-nas materialize``: a model in the format of the suffix."""

from __future__ import annotations

import os
from pathlib import Path

from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import parts
from se_nas.errors import InputError, unknown

CLASSES, CHANNELS = 1000, 3  # of ImageNet
FORMATS = (".safetensors", ".onnx", ".pt2")


def check_path(out: str) -> Path:
    """Raise an ``InputError`` before anything is built if the file cannot be written."""
    path = Path(os.path.expanduser(out))  # a shell leaves the ~ of --out=~/model.onnx
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


def told_sizes(weights: str | None, new_head: bool) -> tuple[int, int]:
    """Return (num_classes, in_channels) of a file of ours, or else those of ImageNet.

    Args:
        new_head: the classes are not those of the file.

    Raises:
        InputError: the file cannot be read, or it is one of ours and damaged.
    """
    if weights is None or not os.path.isfile(weights):
        return CLASSES, CHANNELS
    from se_nas.models.checkpoint_files import is_safetensors
    from se_nas.models.saving import read_description

    told = read_description(weights) if is_safetensors(weights) else None
    if told is None:
        return CLASSES, CHANNELS
    return CLASSES if new_head else told.num_classes, told.in_channels


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
    fold: str | None = None,
    data_dir: str | None = None,
) -> list[str]:
    """Build the network and write it, in the image size that its weights say if none is given.

    Args:
        fold: a data set; SE that brings nothing on it is folded away first.
        data_dir: the folder with its files.

    Returns:
        What the user should know of the file, a line each.

    Raises:
        InputError: an option does not fit another, or the network; before anything is built
            wherever that can be known by then.
    """
    if weights is None and (new_head or missing_se != "error"):
        option = "--new-head" if new_head else f"--missing-se {missing_se}"
        raise InputError(f"{option} says what becomes of a checkpoint: give --weights too")
    if optimize and path.suffix == ".safetensors":
        raise InputError("--optimize folds weights that safetensors keeps: write .onnx or .pt2")
    if fold is not None and weights is None:
        raise InputError("--fold needs a trained network: give --weights too")
    parts(architecture, input_size=input_size, in_channels=in_channels, num_classes=num_classes)
    from se_nas.models import export
    from se_nas.models.materialize import materialize
    from se_nas.models.saving import save
    from se_nas.nn.inference import optimize_for_inference

    notes: list[str] = []
    model = materialize(
        architecture,
        num_classes=num_classes,
        in_channels=in_channels,
        weights=weights,
        missing_se=missing_se,  # type: ignore[arg-type]
        new_head=new_head,
    )
    told = model.preprocessing
    if fold is not None:
        from se_nas.tasks.fold import fold_se
        from se_nas.tasks.trained import Trained, data_of

        folded = fold_se(model, data_of(Trained(model, path), str(path), fold, data_dir))
        model = folded.model.cpu()
        notes += folded.lines()
    if path.suffix != ".safetensors" and told is not None and input_size is None:
        notes.append(f"images of {told.image_size} px, as the weights say")
    elif told is not None and input_size not in (None, told.image_size):
        notes.append(f"images of {input_size} px; the weights were trained on {told.image_size} px")
    if optimize:
        model = optimize_for_inference(model, input_size)
    if path.suffix == ".safetensors":
        save(model, path)
    elif path.suffix == ".onnx":
        try:
            export.export_onnx(model, path, input_size)
        except export.Differs as error:
            raise InputError(f"--out: {str(path)!r} is left as it was: {error}") from None
    else:
        export.export_program(model, path, input_size)
    return notes
