"""A trial's checkpoint: one file, replaced whole, for as long as the trial is not over.

Workers write and the driver removes, so the folder must be one that both see: on a cluster, a
shared file system. Where it is not there, nothing is saved and a trial begins again.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from se_nas.tasks.checkpoint import DAMAGE

# Saving may take this share of the time: an epoch that is shorter than that goes without.
SHARE = 0.05
OURS = re.compile(r"trial-\d{5,}(\.pt|\..*\.part)?")


def file_of(folder: Path | str, number: int) -> Path:
    """Return where the trial of this number is saved."""
    return Path(folder) / f"trial-{number:05d}.pt"


def folder_of(folder: Path | str, number: int) -> Path:
    """Return where a user's own training of this trial keeps what it wants."""
    return Path(folder) / f"trial-{number:05d}"


def save(file: Path, state: Mapping[str, object]) -> bool:
    """Replace the checkpoint; False if it cannot be written (no shared folder, a full disk).

    A reader sees the old file or the new one. A trial goes on without: it loses time only if its
    worker dies.
    """
    if not file.parent.is_dir():
        return False
    part = file.with_suffix(f".{socket.gethostname()}-{os.getpid()}.part")
    try:
        torch.save(state, part)
        part.replace(file)
    except (OSError, RuntimeError):  # torch's own writer raises RuntimeError on a full disk
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        return False
    return True


def load(file: Path) -> Any:
    """Return the last state saved; None without one, or if it cannot be read."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except DAMAGE:
        return None


def remove(folder: Path | str, number: int) -> None:
    """Remove the checkpoint of a trial that is over."""
    with contextlib.suppress(OSError):
        file_of(folder, number).unlink(missing_ok=True)
    shutil.rmtree(folder_of(folder, number), ignore_errors=True)


def tidy(folder: Path, running: set[int]) -> None:
    """Remove what a killed run left: half-written files, checkpoints of trials that are over."""
    kept = {of(folder, number) for number in running for of in (file_of, folder_of)}
    for file in set(folder.glob("trial-*")) - kept:
        if not OURS.fullmatch(file.name):
            continue
        if file.is_dir():
            shutil.rmtree(file, ignore_errors=True)
        else:
            file.unlink(missing_ok=True)
