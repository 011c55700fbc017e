"""Changes of a model by hand, and whether its description can still say them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType
from typing import Any, cast

import torch
from torch import Tensor, nn

from se_nas.errors import InputError
from se_nas.nn.example import check_kind, image_channels
from se_nas.nn.model import Model

# Attributes that change no output, or only a training.
IN_TRAINING = {"training", "inplace", "momentum", "p", "num_batches_tracked"}
PLAIN = (bool, int, float, str, tuple, FunctionType, BuiltinFunctionType)
# Computes the same with the same parameters, in evaluation.
SAME: dict[type[nn.Module], type[nn.Module]] = {nn.SyncBatchNorm: nn.BatchNorm2d}
KINDS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
SHOWN = 3
# By the ends of parameters' names: what makes them, and what undoes it.
MENDS = {
    ("_orig", "_mask"): "was pruned; torch.nn.utils.prune.remove(module, 'weight') makes it plain",
    (".original", ".original0", ".original1"): "is parametrized; "
    "torch.nn.utils.parametrize.remove_parametrizations(module, 'weight') makes it plain",
    ("_g", "_v"): "has weight norm; torch.nn.utils.remove_weight_norm(module) makes it plain",
    ("_packed_params", ".scale", ".zero_point"): "is quantized; save the model before that",
}


def unwrapped(model: nn.Module, what: str) -> Model:
    """Return the model inside ``DistributedDataParallel``, ``torch.compile`` and the like.

    Args:
        what: takes it, for the message.

    Raises:
        InputError: it is none of ours.
    """
    inner: Any = model
    while isinstance(inner, nn.Module) and not isinstance(inner, Model):
        children = dict(inner.named_children())
        found = children.get("_orig_mod", children.get("module"))
        if found is None or len(children) != 1:
            break
        inner = found
    check_kind(inner if isinstance(inner, Model) else model, what)
    return cast(Model, inner)


def described_sizes(model: Model) -> tuple[int, int]:
    """Return (num_classes, in_channels) as the layers have them, whoever put these in."""
    head = getattr(model, model.head_names[-1], None) if model.head_names else None
    num_classes = head.out_features if isinstance(head, nn.Linear) else model.num_classes
    return num_classes, image_channels(model)


def check_described(model: Model) -> tuple[int, int]:
    """Return (num_classes, in_channels) with which the description builds the same network.

    Raises:
        InputError: it would build another one: what differs, and what to do.
    """
    sizes = described_sizes(model)
    if min(sizes) < 1:
        raise InputError(f"save: the model has {sizes[0]} classes and {sizes[1]} input channels")
    with torch.device("meta"):
        fresh = Model(model.architecture, *sizes)
    differences = list(_differences(model, fresh))
    if differences:
        shown = "; ".join(differences[:SHOWN])
        more = f"; and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
        raise InputError(
            f"save writes networks that {model.architecture} describes, which load rebuilds; in "
            f"this one {shown}{more}. Or keep its values with torch.save(model.state_dict(), path)"
        )
    for key, value in model.state_dict().items():
        _check_plain(key, value)
    return sizes


def check_state(state: Mapping[str, Tensor], fresh: Model) -> None:
    """Refuse a state dict that ``fresh``, which may be on meta, does not take; counters may lack.

    Raises:
        InputError: with what differs.
    """
    differences = list(_other_tensors(state, fresh.state_dict(), ()))
    if differences:
        more = f"; and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
        raise InputError(
            f"the weights are not those of {fresh.architecture} with {fresh.num_classes} classes "
            f"and {fresh.in_channels} input channels: {'; '.join(differences[:SHOWN])}{more}"
        )


def _differences(model: Model, fresh: Model) -> Iterator[str]:
    # By every name, also where one module stands in several places.
    ours = dict(model.named_modules(remove_duplicate=False))
    theirs = dict(fresh.named_modules())
    changed: list[str] = []
    if "forward" in vars(model) or type(model).forward is not Model.forward:
        yield "forward is another function"
    for name, module in theirs.items():
        if name and not name.startswith(tuple(f"{c}." for c in changed)):
            told = _other_module(name, ours.get(name), module, fresh)
            if told:
                changed.append(name)
                yield told
    inside = tuple(f"{name}." for name in changed)
    yield from _other_tensors(model.state_dict(), fresh.state_dict(), inside)


def _other_tensors(
    state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], inside: tuple[str, ...]
) -> Iterator[str]:
    """Yield the keys and shapes that differ, those ``inside`` modules that were told aside."""
    for key in sorted({*state, *wanted}):
        if key.startswith(inside) or key.endswith("num_batches_tracked"):
            continue
        if key not in wanted:
            yield f"{key} is left over{_mend(key)}"
        elif key not in state:
            yield f"{key} is missing"
        elif state[key].shape != wanted[key].shape:
            yield f"{key} is {_shape(state[key])}, not {_shape(wanted[key])}"


def _other_module(name: str, ours: nn.Module | None, theirs: nn.Module, fresh: Model) -> str:
    """Name the difference of two modules, their children aside; empty if there is none."""
    if ours is None:
        return f"{name} is missing"
    own = set(ours.state_dict()) - set(theirs.state_dict())
    for ends, told in MENDS.items():
        if not list(theirs.children()) and any(key.endswith(ends) for key in own):
            return f"{name} {told}"
    kind = type(ours)
    if SAME.get(kind, kind) is not type(theirs):
        told = f"{name} is {_described(ours)}, not {_described(theirs)}"
        if name == fresh.head_names[-1] and isinstance(theirs, nn.Linear):
            told += f" (a head that can be described is nn.Linear({theirs.in_features}, classes))"
        return told
    if "forward" in vars(ours):
        return f"{name} has another function as its forward"
    added = [key for key, _ in ours.named_children() if key not in dict(theirs.named_children())]
    if added:
        return f"{name} has {', '.join(added)} more"
    mine, wanted = _attributes(ours), _attributes(theirs)
    for key, value in wanted.items():
        if mine.get(key) != value:
            return f"{name} has {key}={_told(mine.get(key))}, not {_told(value)}"
    return ""


def _attributes(module: nn.Module) -> dict[str, Any]:
    return {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, PLAIN) and not key.startswith("_") and key not in IN_TRAINING
    }


def _mend(key: str) -> str:
    found = [told for ends, told in MENDS.items() if key.endswith(ends)]
    return f" (its module {found[0]})" if found else ""


def _described(module: nn.Module) -> str:
    kind = type(module)
    return kind.__name__ if list(module.children()) else f"{kind.__name__}({module.extra_repr()})"


def _told(value: object) -> str:
    return getattr(value, "__name__", None) or repr(value)


def _shape(value: Tensor) -> str:
    return "×".join(map(str, value.shape)) or "a number"


def _check_plain(key: str, value: Tensor) -> None:
    if value.is_meta:
        raise InputError(f"save: {key} is on the meta device and has no values: load weights first")
    if type(value).__name__ == "DTensor":
        raise InputError(f"save: {key} is sharded: gather the full state dict first")
    if value.layout != torch.strided or value.is_quantized:
        raise InputError(f"save: {key} is a sparse or quantized tensor; save the model before that")
    if value.is_floating_point() and value.dtype not in KINDS:
        raise InputError(f"save: {key} is of {value.dtype}; use model.float() before")
    if value.is_complex():
        raise InputError(f"save: {key} is of {value.dtype}, and a network of ours is real")
