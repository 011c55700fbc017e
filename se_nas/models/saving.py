"""Safetensors files that say which network they hold: ``save`` and ``load``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from se_nas.architecture.architecture import Architecture
from se_nas.errors import InputError
from se_nas.files import replace_atomically
from se_nas.models.changes import check_described, unwrapped
from se_nas.models.checkpoint_files import (
    Weights,
    is_safetensors,
    read_metadata,
    read_state_dict,
)
from se_nas.models.weights import load_weights
from se_nas.nn.model import Model
from se_nas.texts import is_utf8
from se_nas.user_files import as_path

if TYPE_CHECKING:
    from se_nas.data.preprocessing import Preprocessing

LIMIT = 100_000  # of classes and channels in a file: more are a damaged one's


@dataclass(frozen=True)
class Description:
    """What a file of ours says of the network in it.

    Attributes:
        architecture, num_classes, in_channels: enough to rebuild it.
        preprocessing: of its pictures; None if the file does not say.
    """

    architecture: Architecture
    num_classes: int
    in_channels: int
    preprocessing: Preprocessing | None = None

    def metadata(self) -> dict[str, str]:
        """Return the texts that a safetensors file has beside its tensors."""
        told = {
            "format": "pt",
            "architecture": self.architecture.to_json(),
            "num_classes": str(self.num_classes),
            "in_channels": str(self.in_channels),
        }
        if self.preprocessing is not None:
            told["preprocessing"] = self.preprocessing.to_json()
        return told


def to_bytes(state: Mapping[str, Tensor], description: Description | None) -> bytes:
    """Return the content of the file that ``save`` writes; without words if it is of no network."""
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    for key, value in state.items():
        tensor = value.detach().cpu().contiguous()
        # The file has no tied tensors: each gets its own values.
        storage = tensor.untyped_storage()
        whole = storage.nbytes() == tensor.numel() * tensor.element_size()
        tensors[key] = tensor if whole and storage.data_ptr() not in seen else tensor.clone()
        seen.add(storage.data_ptr())
    return save(tensors, {"format": "pt"} if description is None else description.metadata())


def save(model: nn.Module, path: str | Path, preprocessing: Preprocessing | None = None) -> None:
    """Write the weights as safetensors with all that ``load`` needs beside them.

    A classifier of another number of classes and a stem of other channels are written as they are;
    ``DistributedDataParallel``, ``torch.compile`` and the like are looked into. The old file is
    there until the new one is whole.

    Hooks, momentum and the like are not in the file.

    Args:
        model: one of ``materialize``, in any floating type.
        preprocessing: how pictures become its inputs, such as ``data.preprocessing``; if not
            given, what the model has from its file.

    Raises:
        InputError: ``load`` could not rebuild the model, which was changed in another way than
            these (its batch norms were folded away, it was pruned, a layer was replaced); the
            preprocessing does not fit; or the file cannot be written.
    """
    model = unwrapped(model, "save")
    if model.num_classes < 1 or not model.head_names:
        raise InputError("save writes whole networks; this one's classifier was left away")
    if model.folded:
        raise InputError(
            "save writes trained models; this one was optimized for inference: save the model it "
            "was made from, or export this one as ONNX or as a program"
        )
    num_classes, in_channels = check_described(model)
    told = fitting(model, num_classes, in_channels, preprocessing)
    description = Description(model.architecture, num_classes, in_channels, told)
    content = to_bytes(model.state_dict(), description)
    with writing(path) as target:
        replace_atomically(target, content)


def fitting(
    model: Model, num_classes: int, in_channels: int, given: Preprocessing | None
) -> Preprocessing | None:
    """Return the preprocessing to write: the given one, or the model's as far as it still fits.

    Raises:
        InputError: the given one has other channels or another number of classes.
    """
    told: Preprocessing | None = model.preprocessing if given is None else given
    if told is None:
        return None
    if not hasattr(told, "image_size") or not hasattr(told, "transform"):
        raise InputError(
            f"preprocessing is a {type(told).__name__}; give data.preprocessing of a data set, or "
            "a se_nas.data.Preprocessing(…)"
        )
    if given is not None:
        for what, says, has in (
            ("channels", given.channels, in_channels),
            ("classes", len(given.classes) or num_classes, num_classes),
        ):
            if says != has:
                raise InputError(f"preprocessing has {says} {what}, the model {has}")
    if told.channels != in_channels:
        return None  # of other images: nothing of it is known to hold
    return told if len(told.classes) in (0, num_classes) else replace(told, classes=())


def load(path: str | Path) -> Model:
    """Rebuild a model from a file of ``save`` or of a search, with its weights.

    It is in training mode, as models of torchvision and timm are when they come with weights:
    call ``.eval()`` before inference. Its parameters have the types in which they were saved, and
    ``model.preprocessing`` is what the file says of its pictures; None if it says nothing:

        model = se_nas.load("winner.safetensors").eval()
        image = model.preprocessing.transform()("cat.jpg")
        logits = model(image[None])
        model.preprocessing.classes[int(logits.argmax())]

    Raises:
        InputError: there is no such file, or it does not say what network it holds.
    """
    path = as_path("load: the file", path)
    if os.path.isdir(path):
        raise InputError(f"load: {str(path)!r} is a folder; give the file in it")
    if not os.path.isfile(path):
        raise InputError(f"load: there is no file {str(path)!r}")
    if not is_safetensors(path):
        raise InputError(
            f"load: {str(path)!r} is no safetensors file, and only those say what network they "
            "hold; use se_nas.materialize(name, weights=…)"
        )
    found = read_description(path)
    if found is None:
        raise InputError(
            f"load: {str(path)!r} does not say what network it holds; "
            "use se_nas.materialize(name, weights=…)"
        )
    state = read_state_dict(path)
    _check_sizes(path, found, state)
    model = Model(found.architecture, found.num_classes, found.in_channels)
    load_weights(model, path)
    for key, tensor in model.state_dict(keep_vars=True).items():
        if key in state and tensor.is_floating_point():
            tensor.data = tensor.data.to(state[key].dtype)
    model.preprocessing = found.preprocessing
    return model


def read_description(path: str | Path) -> Description | None:
    """Read what a safetensors file says of its network; None if it is none of ours.

    Raises:
        InputError: the file cannot be read, or what it says is not whole or not allowed.
    """
    told = read_metadata(path)
    if not told.get("architecture", "").startswith("{"):
        return None  # nobody's word, or somebody else's, such as timm's name of a model
    try:
        architecture = Architecture.from_json(told["architecture"])
    except InputError as error:
        raise InputError(f"{str(path)!r}: {error}") from None
    sizes: dict[str, int] = {}
    for field in ("num_classes", "in_channels"):
        text = told.get(field, "")
        if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= LIMIT):
            raise InputError(
                f"load: {str(path)!r} does not say its {field}; "
                f"use se_nas.materialize({str(architecture)!r}, {field}=…, weights=…)"
            )
        sizes[field] = int(text)
    return Description(architecture, **sizes, preprocessing=_preprocessing(path, told))


def _preprocessing(path: str | Path, told: Mapping[str, str]) -> Preprocessing | None:
    if "preprocessing" not in told:
        return None
    from se_nas.data.preprocessing import Preprocessing  # late: it imports torchvision

    try:
        return Preprocessing.from_json(told["preprocessing"])
    except InputError as error:
        raise InputError(f"{str(path)!r}: {error}") from None


def preprocessing_of(model: Model, weights: Weights, new_head: bool) -> Preprocessing | None:
    """Return what a file of ours says of the pictures of the model that was loaded from it."""
    if not isinstance(weights, (str, Path)) or not is_safetensors(weights):
        return None
    told = _preprocessing(weights, read_metadata(weights))
    model.preprocessing = told and replace(told, classes=()) if new_head else told
    return fitting(model, model.num_classes, model.in_channels, None)


def _check_sizes(path: Path, found: Description, state: Mapping[str, Tensor]) -> None:
    """Check the head and the stem in a file against its words, before a network is built."""
    with torch.device("meta"):
        model = Model(found.architecture, found.num_classes, found.in_channels)
    wanted = model.state_dict()
    other = [k for k, v in wanted.items() if k in state and state[k].shape != v.shape]
    if not other:
        return
    head = state.get(f"{model.head_names[-1]}.weight")
    stem = next((state[k] for k, v in wanted.items() if v.ndim == 4 and k in state), None)
    classes = found.num_classes if head is None or head.ndim != 2 else head.shape[0]
    channels = found.in_channels if stem is None or stem.ndim != 4 else stem.shape[1]
    with torch.device("meta"):
        mended = Model(found.architecture, max(classes, 1), max(channels, 1)).state_dict()
    right = all(k not in state or state[k].shape == v.shape for k, v in mended.items())
    call = (
        f"se_nas.materialize({str(found.architecture)!r}, num_classes={classes}, "
        f"in_channels={channels}, weights={str(path)!r}) reads them"
        if right
        else "the file is damaged, or was written by something else"
    )
    shape, said = (tuple(x.shape) for x in (state[other[0]], wanted[other[0]]))
    raise InputError(
        f"load: {str(path)!r} says that it holds {found.architecture} with {found.num_classes} "
        f"classes and {found.in_channels} input channels, but its {other[0]} is {shape}, not "
        f"{said}; {call}"
    )


@contextmanager
def writing(path: str | Path) -> Iterator[Path]:
    """Yield the path to write to, and raise an ``InputError`` if that fails."""
    target = as_path("the file to write", path)
    if not is_utf8(str(target)):
        raise InputError(f"{str(target)!r} is not UTF-8, as safetensors needs it; rename it")
    try:
        yield target
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{str(path)!r} cannot be written: {reason}") from None
