"""Readers of checkpoint files, down to the state dict. Code in a file is never run."""

from __future__ import annotations

import errno
import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from se_nas.errors import InputError
from se_nas.texts import first_line

Weights: TypeAlias = str | Path | Mapping[str, Tensor]

# Entries under which training scripts keep the state dict: PyTorch's tutorial, torchvision, timm.
ENTRIES = ("state_dict", "model_state_dict", "model")
# What DataParallel, torch.compile and Lightning put before every name.
PREFIXES = ("module.", "_orig_mod.", "model.")


def state_dict(weights: Weights) -> dict[str, Tensor]:
    """Return the tensors of a file or of a mapping, without the common wrappings.

    Of a training checkpoint with a moving average beside the weights, the weights are taken.

    Raises:
        InputError: the file cannot be read, or holds no state dict.
    """
    if isinstance(weights, (str, Path)):
        return read_state_dict(weights)
    return _unwrapped(weights, "weights")


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read the state dict in a file of safetensors or ``torch.save``, told by its content.

    Raises:
        InputError: there is no such file, it cannot be read, or it holds no state dict.
    """
    if not os.path.isfile(path):
        folder = ": it is a folder" if os.path.isdir(path) else ""
        raise InputError(f"weights: there is no file {str(path)!r}{folder}")
    try:
        program = _program(Path(path))
    except (OSError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from None
    if program:
        raise InputError(
            f"weights: {str(path)!r} is {program}, a network to run and no checkpoint; give "
            "safetensors, or what torch.save wrote of a state_dict()"
        )
    try:
        if is_safetensors(path):
            from safetensors.torch import load_file

            data: Any = load_file(path)
        else:
            data = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # the readers raise many types for a broken file
        raise _unreadable(path, error) from None
    return _unwrapped(data, f"weights: {str(path)!r}")


def is_safetensors(path: str | Path) -> bool:
    """Return whether a file is named or begins like safetensors: a length, then JSON."""
    if Path(path).suffix == ".safetensors":
        return True
    try:
        with Path(path).open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise _unreadable(path, error) from None
    return start[8:] == b"{" and int.from_bytes(start[:8], "little") < 1 << 32


def _program(path: Path) -> str:
    """Name the kind of a file that holds a network ready to run; empty if it is none."""
    if path.suffix == ".onnx":
        return "an ONNX model"
    if not zipfile.is_zipfile(path):
        return ""
    with zipfile.ZipFile(path) as archive:
        inside = {name.partition("/")[2] for name in archive.namelist()}
    if any(name.startswith("code/") for name in inside):
        return "a TorchScript program"
    return "a torch.export program" if "archive_format" in inside else ""


def read_metadata(path: str | Path) -> dict[str, str]:
    """Read the texts that a safetensors file carries beside its tensors.

    Raises:
        InputError: the file cannot be read.
    """
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except Exception as error:  # as in read_state_dict
        raise _unreadable(path, error) from None


def _unreadable(path: str | Path, error: Exception) -> InputError:
    text = str(error)
    if isinstance(error, pickle.UnpicklingError) and "nsupported" in text:
        found = re.search(r"GLOBAL (\S+)", text)
        what = f" such as {found[1]}" if found else ""
        return InputError(
            f"weights: {str(path)!r} is no plain checkpoint: it holds code or objects{what}, which "
            "are never run; save the model's state_dict() alone and pass that"
        )
    if isinstance(error, EOFError):
        reason = "it is empty or cut short"
    elif isinstance(error, (pickle.UnpicklingError, LookupError, ValueError)) or (
        isinstance(error, OSError) and error.errno == errno.EINVAL  # torch on a short zip file
    ):
        reason = "it is neither a safetensors file nor one of torch.save, or damaged"
    else:
        reason = first_line(error).split(". ")[0].rstrip(".")
    return InputError(f"weights: {str(path)!r} cannot be read: {reason}")


def _unwrapped(data: Any, what: str) -> dict[str, Tensor]:
    """Return the tensors in ``data``, or in the entry that holds them, by bare names."""
    for key in ENTRIES:
        if isinstance(data, Mapping) and isinstance(data.get(key), Mapping):
            data = data[key]
    if not isinstance(data, Mapping):
        raise InputError(
            f"{what}: there is no state dict of tensors, but {type(data).__name__}; "
            "give a path or a state_dict()"
        )
    other = [key for key, v in data.items() if not (isinstance(key, str) and isinstance(v, Tensor))]
    if other:
        listed = ", ".join(map(repr, other[:4])) + (", …" if len(other) > 4 else "")
        raise InputError(
            f"{what}: there is no state dict of tensors by name; other entries are {listed}"
        )
    found: dict[str, Tensor] = dict(data)
    while prefix := next(
        (p for p in PREFIXES if found and all(k.startswith(p) for k in found)), ""
    ):
        found = {key.removeprefix(prefix): value for key, value in found.items()}
    return found
