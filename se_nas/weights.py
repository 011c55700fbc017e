"""Weights in: our own, torchvision's and timm's checkpoints, strictly."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor

from se_nas import trunks
from se_nas.arch import Architecture
from se_nas.errors import InputError, unknown
from se_nas.identity import init_identity, without_identity
from se_nas.modules import Model
from se_nas.se import SqueezeExcitation

Weights = str | Path | Mapping[str, Tensor]
MissingSE: TypeAlias = Literal["error", "identity"]


def load_weights(
    model: Model, weights: Weights, *, missing_se: MissingSE = "error", new_head: bool = False
) -> None:
    """Copy ``weights`` into ``model``; every parameter must be there and fit.

    Args:
        weights: a path (safetensors, or a ``.pth`` read with ``weights_only=True``), or a state
            dict in our own, torchvision's or timm's key layout for the same network.
        missing_se: what to do about SE blocks that the checkpoint lacks altogether: ``error``, or
            ``identity``: start them so that the network computes what it did without them.
        new_head: leave the classifier fresh, whatever the checkpoint has there.

    Gate, squeeze and some placements show neither in keys nor in shapes. Safetensors files of ours
    say what they hold; a bare state dict of ours does not, and is taken at its word.

    Raises:
        InputError: the file cannot be read; the checkpoint is of the other lineage (SPEC 3.1: it
            would load without a word and compute something else); keys or shapes do not fit; an
            SE block cannot start as an identity. The model is then as it was.
    """
    if missing_se not in get_args(MissingSE):
        raise unknown("missing_se", missing_se, get_args(MissingSE))
    if isinstance(weights, (str, Path)):
        source = read_state_dict(weights)
        if Path(weights).suffix == ".safetensors":
            _check_metadata(Path(weights), model.architecture, missing_se)
    else:
        source = dict(_state_dict(weights, "weights"))
    target = model.state_dict()
    found = _translate(source, model.architecture)
    if new_head:
        head = f"{model.head_names[-1]}."
        found = {key: value for key, value in found.items() if not key.startswith(head)}
        found |= {key: value for key, value in target.items() if key.startswith(head)}
    absent = _absent_blocks(model, found)
    if missing_se == "identity" and absent:
        left = without_identity(model, absent)
        if left:
            raise InputError(
                f"{_listed('SE blocks', left)} of {model.architecture} cannot start as "
                "identities: their gate is never 1 and no layer beside them can make up for it; "
                "the gate two_sigmoid can, anywhere"
            )
        fresh = tuple(f"{block}." for block in absent)
        found |= {key: value for key, value in target.items() if key.startswith(fresh)}
    counters = {key for key in target if key.endswith("num_batches_tracked")}
    missing = sorted(set(target) - set(found) - counters)
    extra = sorted(set(found) - set(target))
    if missing or extra:
        in_se = {key for key in missing if key.startswith(tuple(f"{b}." for b in absent))}
        hint = "; missing_se='identity' starts these SE blocks so that they change nothing"
        raise InputError(
            f"the checkpoint is not one of {model.architecture}: "
            f"{_listed('missing', missing)}; {_listed('left over', extra)}"
            + (hint if missing and in_se == set(missing) and not extra else "")
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
        head_only = all(text.startswith(f"{model.head_names[-1]}.") for text in wrong)
        raise InputError(
            f"the checkpoint is not one of {model.architecture} with {model.num_classes} classes "
            f"and {model.in_channels} input channels: {_listed('shapes', wrong)}"
            + ("; new_head=True leaves the classifier fresh" if head_only else "")
        )
    model.load_state_dict(found, strict=not counters - set(found))
    if missing_se == "identity":
        init_identity(model, absent)


def _absent_blocks(model: Model, found: Mapping[str, Tensor]) -> list[str]:
    """Names of the SE blocks of which the checkpoint has no parameter."""
    blocks = [n for n, module in model.named_modules() if isinstance(module, SqueezeExcitation)]
    return [name for name in blocks if not any(key.startswith(f"{name}.") for key in found)]


def read_metadata(path: str | Path) -> dict[str, str]:
    """The texts that a safetensors file carries beside its tensors."""
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except Exception as error:  # as in read_state_dict
        raise _unreadable(path, error) from None


def _unreadable(path: str | Path, error: Exception) -> InputError:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(f"weights: {str(path)!r} cannot be read: {text}")


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
        raise _unreadable(path, error) from None
    return _state_dict(data, f"weights: {str(path)!r}")


def _state_dict(data: Any, what: str) -> dict[str, Tensor]:
    """The tensors in ``data``, or in what it is wrapped in."""
    for key in ("state_dict", "model"):
        if isinstance(data, Mapping) and isinstance(data.get(key), Mapping):
            data = data[key]
    if not isinstance(data, Mapping) or not all(isinstance(v, Tensor) for v in data.values()):
        raise InputError(f"{what}: there is no state dict of tensors, but {type(data).__name__}")
    return dict(data)


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


def _check_metadata(path: Path, architecture: Architecture, missing_se: MissingSE) -> None:
    """A file of ours says what it holds: some settings show neither in keys nor in shapes."""
    text = read_metadata(path).get("architecture")
    if text is None:
        return
    held = Architecture.from_json(text)
    if missing_se == "identity" and len(held.se) == len(architecture.se):
        # Stages without SE in the file may have some here.
        filled = (a if b is None else b for a, b in zip(architecture.se, held.se, strict=True))
        held = Architecture(held.trunk, tuple(filled))
    if held.id != architecture.id:
        held = Architecture.from_json(text)
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
