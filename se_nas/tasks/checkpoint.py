"""The state of a training between two epochs, on disk whole or not at all."""

from __future__ import annotations

import os
import pickle
import secrets
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from se_nas.errors import InputError

# What torch.load raises of bytes that are none of torch.save's.
DAMAGE = (
    *(OSError, EOFError, RuntimeError, ValueError, LookupError, AssertionError, TypeError),
    *(pickle.UnpicklingError, zipfile.BadZipFile),
)


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Replace a checkpoint: a reader, or who goes on after SIGKILL, sees the old or the new one.

    Raises:
        InputError: it cannot be written (a full disk, no permission); the old one is left.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            torch.save(dict(state), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except (OSError, RuntimeError) as error:  # torch's own writer raises RuntimeError
        part.unlink(missing_ok=True)
        reason = (isinstance(error, OSError) and error.strerror) or str(error).split("\n")[0]
        raise InputError(
            f"checkpoint {str(path)!r} cannot be written: {reason}; the one of the epoch before is "
            "left, go on with --resume"
        ) from None
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return the last state; None if none was written.

    Raises:
        InputError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGE:
        raise InputError(
            f"checkpoint {str(path)!r} is damaged; remove it, and that seed starts again"
        ) from None
    return found
