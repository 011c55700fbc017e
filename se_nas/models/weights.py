"""Strict loading of weights: our own, torchvision's and timm's checkpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from se_nas import trunks
from se_nas.architecture.architecture import Architecture
from se_nas.errors import InputError, unknown
from se_nas.models.checkpoint_files import Weights, is_safetensors, read_metadata, state_dict
from se_nas.models.diagnosis import SHOWN, matching_se, models_of_size
from se_nas.nn.identity_init import init_identity, without_identity
from se_nas.nn.model import Model
from se_nas.nn.squeeze_excitation import SqueezeExcitation
from se_nas.values import among

MissingSE: TypeAlias = Literal["error", "identity"]
IN_SE = re.compile(r"\.se\.fc[12]\.")


def load_weights(
    model: Model, weights: Weights, *, missing_se: MissingSE = "error", new_head: bool = False
) -> None:
    """Copy ``weights`` into ``model``; every parameter must be there and fit.

    Args:
        weights: a path (safetensors, or what ``torch.save`` wrote, read without running code), or
            a state dict, in our own, torchvision's or timm's key layout for the same network;
            usual wrappings are taken off (``ENTRIES`` and ``PREFIXES`` of ``checkpoint_files``).
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
    check_missing_se(missing_se)
    source = state_dict(weights)
    if isinstance(weights, (str, Path)) and is_safetensors(weights):
        _check_metadata(Path(weights), model.architecture, missing_se)
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
                "identities: their gate cannot be 1 at the start and no layer beside them can make "
                "up for it; 2sigmoid (gate two_sigmoid) with FC biases can, anywhere"
            )
        fresh = tuple(f"{block}." for block in absent)
        found |= {key: value for key, value in target.items() if key.startswith(fresh)}
    counters = {key for key in target if key.endswith("num_batches_tracked")}
    _check_keys(model, found, set(target) - counters, set(target), absent)
    found = {key: _flattened(value, target[key]) for key, value in found.items()}
    _check_values(model, found, target)
    model.load_state_dict(found, strict=not counters - set(found))
    if missing_se == "identity":
        init_identity(model, absent)


def check_missing_se(missing_se: str) -> None:
    """Raise an ``InputError`` if ``missing_se`` is not one of its values."""
    if not among(missing_se, get_args(MissingSE)):
        raise unknown("missing_se", missing_se, get_args(MissingSE))


def _check_keys(
    model: Model, found: Mapping[str, Tensor], needed: set[str], known: set[str], absent: list[str]
) -> None:
    missing, extra = sorted(needed - set(found)), sorted(set(found) - known)
    if not missing and not extra:
        return
    hint = ""
    if missing and not extra and all(k.startswith(tuple(f"{b}." for b in absent)) for k in missing):
        hint = "; missing_se='identity' starts these SE blocks so that they change nothing"
    elif all(IN_SE.search(key) for key in (*missing, *extra)):
        hint = _right_se(model, found)
    elif alike := [name for name in models_of_size(found) if name != str(model.architecture)]:
        hint = f"; it has as many parameters as {', '.join(alike[:SHOWN])}"
    raise InputError(
        f"the checkpoint is not one of {model.architecture}: "
        f"{_listed('missing', missing)}; {_listed('left over', extra)}{hint}"
    )


def _check_values(model: Model, found: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    wrong = [key for key, value in found.items() if value.shape != target[key].shape]
    if not wrong:
        _check_types(found, target)
        return
    hint = ""
    head = model.head_names[-1]
    if all(key.startswith(f"{head}.") for key in wrong):
        classes = found[f"{head}.weight"].shape[0]
        hint = f"; give num_classes={classes}, or new_head=True for a fresh classifier"
    elif all(IN_SE.search(key) for key in wrong):
        hint = _right_se(model, found)
    shapes = [
        f"{key} {tuple(found[key].shape)} instead of {tuple(target[key].shape)}" for key in wrong
    ]
    raise InputError(
        f"the checkpoint is not one of {model.architecture} with {model.num_classes} classes "
        f"and {model.in_channels} input channels: {_listed('shapes', shapes)}{hint}"
    )


def _check_types(found: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for key, value in found.items():
        wanted = target[key]
        if value.is_meta or value.layout != torch.strided or value.is_quantized:
            raise InputError(f"the checkpoint's {key} is no plain tensor with values")
        if value.is_floating_point() != wanted.is_floating_point():
            raise InputError(f"the checkpoint's {key} is of {value.dtype}, not {wanted.dtype}")


def _flattened(value: Tensor, wanted: Tensor) -> Tensor:
    """Flatten an FC layer that is written as a convolution of the whole map to a matrix."""
    return value.flatten(1) if value.ndim == 4 and wanted.ndim == 2 else value


def _right_se(model: Model, found: Mapping[str, Tensor]) -> str:
    name = matching_se(model, found)
    return f"; its SE blocks have the shapes of {name!r}" if name else ""


def _absent_blocks(model: Model, found: Mapping[str, Tensor]) -> list[str]:
    """List the SE blocks of which the checkpoint has no parameter."""
    blocks = [n for n, module in model.named_modules() if isinstance(module, SqueezeExcitation)]
    return [name for name in blocks if not any(key.startswith(f"{name}.") for key in found)]


def _translate(source: Mapping[str, Tensor], architecture: Architecture) -> dict[str, Tensor]:
    """Return the source's tensors under our keys.

    Raises:
        InputError: the source is of another lineage, or its SE blocks have other settings.
    """
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
    """Check what a file of ours says: some settings show neither in keys nor in shapes."""
    text = read_metadata(path).get("architecture", "")
    if not text.startswith("{"):
        return  # somebody else's word, such as timm's name of a model
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
