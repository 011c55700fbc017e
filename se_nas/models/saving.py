"""Safetensors files that say which network they hold: ``save`` and ``load``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from se_nas.architecture.architecture import Architecture
from se_nas.errors import InputError
from se_nas.files import replace_atomically
from se_nas.models.checkpoint_files import is_safetensors, read_metadata
from se_nas.models.materialize import materialize
from se_nas.nn.example import check_kind
from se_nas.nn.model import Model
from se_nas.user_files import as_path


def metadata(architecture: Architecture, num_classes: int, in_channels: int) -> dict[str, str]:
    """Return what a safetensors file says of its network: enough to rebuild it."""
    return {
        "format": "pt",
        "architecture": architecture.to_json(),
        "num_classes": str(num_classes),
        "in_channels": str(in_channels),
    }


def to_bytes(
    state: Mapping[str, Tensor], architecture: Architecture, num_classes: int, in_channels: int
) -> bytes:
    """Return the content of the file that ``save`` writes."""
    from safetensors.torch import save

    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    return save(tensors, metadata(architecture, num_classes, in_channels))


def save(model: Model, path: str | Path) -> None:
    """Write the weights as safetensors with all that ``load`` needs beside them.

    Raises:
        InputError: the model's batch norms were folded away, it has no classifier, or the file
            cannot be written.
    """
    check_kind(model, "save")
    if model.num_classes < 1:
        raise InputError("save writes whole networks; this one's classifier was left away")
    if model.folded:
        raise InputError(
            "save writes trained models; this one was optimized for inference: save the model it "
            "was made from, or export this one as ONNX or as a program"
        )
    content = to_bytes(model.state_dict(), model.architecture, model.num_classes, model.in_channels)
    with writing(path) as target:
        replace_atomically(target, content)


def load(path: str | Path) -> Model:
    """Rebuild a model from a file of ``save`` or of a search, with its weights.

    It is in training mode, as models of torchvision and timm are when they come with weights:
    call ``.eval()`` before inference.

    Raises:
        InputError: there is no such file, or it does not say what network it holds.
    """
    path = as_path("load: the file", path)
    if not os.path.isfile(path):
        raise InputError(f"load: there is no file {str(path)!r}")
    if not is_safetensors(path):
        raise InputError(
            f"load: {str(path)!r} is no safetensors file, and only those say what network they "
            "hold; use se_nas.materialize(name, weights=…)"
        )
    found = read_metadata(path)
    if "architecture" not in found:
        raise InputError(
            f"load: {str(path)!r} does not say what network it holds; "
            "use se_nas.materialize(name, weights=…)"
        )
    architecture = Architecture.from_json(found["architecture"])
    sizes: dict[str, int] = {}
    for field in ("num_classes", "in_channels"):
        text = found.get(field, "")
        if not text.isdecimal():
            raise InputError(
                f"load: {str(path)!r} does not say its {field}; "
                f"use se_nas.materialize({str(architecture)!r}, {field}=…, weights=…)"
            )
        sizes[field] = int(text)
    return materialize(
        architecture,
        num_classes=sizes["num_classes"],
        in_channels=sizes["in_channels"],
        weights=path,
    )


@contextmanager
def writing(path: str | Path) -> Iterator[Path]:
    """Yield the path to write to, and raise an ``InputError`` if that fails."""
    target = as_path("the file to write", path)
    try:
        yield target
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{str(path)!r} cannot be written: {reason}") from None
