"""Weights in: our own, torchvision's and timm's checkpoints, strictly."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from se_nas import trunks
from se_nas.arch import Architecture
from se_nas.errors import InputError
from se_nas.modules import Model

Weights = str | Path | Mapping[str, Tensor]


def load_weights(model: Model, weights: Weights) -> None:
    """Copy ``weights`` into ``model``; every parameter must be there and fit.

    Args:
        weights: a path (safetensors, or a ``.pth`` read with ``weights_only=True``), or a state
            dict in our own, torchvision's or timm's key layout for the same network.

    Raises:
        InputError: the file cannot be read; the checkpoint is of the other lineage (SPEC 3.1: it
            would load without a word and compute something else); keys or shapes do not fit.
    """
    source = read_state_dict(weights) if isinstance(weights, (str, Path)) else dict(weights)
    if isinstance(weights, (str, Path)) and Path(weights).suffix == ".safetensors":
        _check_metadata(Path(weights), model.architecture)
    target = model.state_dict()
    found = _translate(source, model.architecture)
    counters = {key for key in target if key.endswith("num_batches_tracked")}
    missing = sorted(set(target) - set(found) - counters)
    extra = sorted(set(found) - set(target))
    if missing or extra:
        raise InputError(
            f"the checkpoint is not one of {model.architecture}: "
            f"{_listed('missing', missing)}; {_listed('left over', extra)}"
        )
    wrong: list[str] = []
    for key, value in found.items():
        shape = target[key].shape
        if value.ndim == 4 and len(shape) == 2:
            value = value.flatten(1)  # an FC layer written as a convolution of the whole map
        if value.shape != shape:
            wrong.append(f"{key} {tuple(value.shape)} instead of {tuple(shape)}")
        found[key] = value
    if wrong:
        raise InputError(
            f"the checkpoint is not one of {model.architecture} with {model.num_classes} classes "
            f"and {model.in_channels} input channels: {_listed('shapes', wrong)}"
        )
    model.load_state_dict(found, strict=not counters - set(found))


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The state dict in a file; common wrappers (``state_dict``, ``model``) are taken off."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"weights: there is no file {str(path)!r}")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        data = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"weights: {str(path)!r} is no plain checkpoint (it holds code or objects, which are "
            "never run); save its state_dict() and pass that"
        ) from None
    except Exception as error:  # the readers raise many types for a broken file
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"weights: {str(path)!r} cannot be read: {text}") from None
    for key in ("state_dict", "model"):
        if isinstance(data, dict) and isinstance(cast("dict[str, Any]", data).get(key), dict):
            data = cast("dict[str, Any]", data)[key]
    tensors = isinstance(data, dict) and all(
        isinstance(value, Tensor) for value in cast("dict[str, Any]", data).values()
    )
    if not tensors:
        raise InputError(f"weights: {str(path)!r} holds no state dict of tensors")
    return cast("dict[str, Tensor]", data)


def _translate(source: Mapping[str, Tensor], architecture: Architecture) -> dict[str, Tensor]:
    """The source's tensors under our keys."""
    family = trunks.families()[architecture.trunk.family]
    layouts = family.layouts(architecture.trunk)
    layout = next((x for x in layouts if any(re.search(x.mark, key) for key in source)), None)
    if layout is None:
        return dict(source)
    if layout.trunk != architecture.trunk:
        raise InputError(f"{layout.source} checkpoint {_other(layout, architecture)}")
    renamed = {layout.rename(key): value for key, value in source.items()}
    found = {key: value for key, value in renamed.items() if key is not None}
    if any(key.endswith("se.fc1.weight") and value.ndim == 4 for key, value in found.items()):
        _check_se(layout, architecture)  # FC layers as 1×1 convolutions: not ours
    return found


def _check_se(layout: trunks.Layout, architecture: Architecture) -> None:
    theirs = {"placement": layout.se_placement, "squeeze": "avg", "gate": layout.se_gate}
    for number, se in architecture.stages.items():
        for field, value in theirs.items():
            if se is not None and getattr(se, field) != value:
                raise InputError(
                    f"{layout.source} checkpoint has SE blocks with {field} {value!r}, but stage "
                    f"{number} of {architecture} has {getattr(se, field)!r}: it would load and "
                    "compute something else"
                )


def _check_metadata(path: Path, architecture: Architecture) -> None:
    """A file of ours says what it holds: some settings show neither in keys nor in shapes."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        text = (file.metadata() or {}).get("architecture")
    if text is None:
        return
    held = Architecture.from_json(text)
    if held.id != architecture.id:
        raise InputError(f"weights: {str(path)!r} is a checkpoint of {held}, not of {architecture}")


def _other(layout: trunks.Layout, architecture: Architecture) -> str:
    if layout.trunk is None:
        return f"cannot be used for {architecture}: {layout.why}"
    right = Architecture(layout.trunk, architecture.se)
    return (
        f"is of another lineage than {architecture}: {layout.why}; "
        f"it would load and compute something else. Use {str(right)!r}"
    )


def _listed(what: str, items: list[str]) -> str:
    shown = ", ".join(items[:6])
    return f"{len(items)} {what}" + (
        f" ({shown}{', …' if len(items) > 6 else ''})" if items else ""
    )
