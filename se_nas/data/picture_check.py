"""A look at every picture before anything is trained: those that cannot be read, and why.

What was found is kept in the user's cache folder, by the paths, sizes and times of all files: a
second look at a folder that did not change reads no picture.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import PIL
import torch
from torch.utils.data import DataLoader, Dataset

from se_nas.data.pictures import reason_against
from se_nas.errors import InputError
from se_nas.files import cache_folder, replace_atomically

FEW = 256  # pictures that are read sooner than a process starts
BATCH = 32
NAMED = 3

Progress = Callable[[int, int], None]


class UnreadablePictures(InputError):
    """Some pictures of a folder cannot be read; ``reasons`` has them all, by path."""

    def __init__(self, reasons: Mapping[str, str], count: int) -> None:
        self.reasons = dict(reasons)
        first = ", ".join(repr(path) for path in list(self.reasons)[:NAMED])
        more = ", …" if len(self.reasons) > NAMED else ""
        super().__init__(
            f"{len(self.reasons)} of {count} pictures cannot be read: {first}{more}; repair or "
            "remove them, or go on without them by `skip_corrupt`"
        )


@dataclass(frozen=True)
class _Look(Dataset[list[tuple[int, str]]]):
    paths: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitems__(self, positions: Sequence[int]) -> list[tuple[int, str]]:
        """Return the positions of pictures that cannot be read, with the reasons."""
        found = []
        for position in positions:
            reason = reason_against(self.paths[position])
            if reason:
                found.append((position, reason))
        return found


def stat_files(paths: Sequence[str]) -> list[tuple[int, int]]:
    """Return (size in bytes, time of the last change in ns) of each; (-1, -1) of one not there."""
    found = []
    for path in paths:
        try:
            status = os.stat(path)
            found.append((status.st_size, status.st_mtime_ns))
        except OSError:
            found.append((-1, -1))
    return found


def unreadable_pictures(
    paths: Sequence[str],
    stats: Sequence[tuple[int, int]],
    progress: Progress | None = None,
    processes: int | None = None,
) -> dict[str, str]:
    """Return the pictures that cannot be read, with the reasons; reads them all.

    Args:
        paths: the files.
        stats: what ``stat_files`` says of them.
        progress: is told how many of how many were read.
        processes: that read; the cores of this process if not given.
    """
    cache = _cache_file(paths, stats)
    known = _read_cache(cache)
    if known is not None:
        return known
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    loader = DataLoader(
        _Look(tuple(paths)),
        BATCH,
        num_workers=0 if len(paths) <= FEW else (cores or 1) if processes is None else processes,
        collate_fn=list,
        generator=torch.Generator(),
    )
    reasons: dict[str, str] = {}
    for i, found in enumerate(loader, start=1):
        reasons.update((paths[position], reason) for position, reason in found)
        if progress is not None:
            progress(min(i * BATCH, len(paths)), len(paths))
    _write_cache(cache, reasons)
    return reasons


def _cache_file(paths: Sequence[str], stats: Sequence[tuple[int, int]]) -> Path:
    digest = hashlib.sha256(f"2 {PIL.__version__}".encode())
    for path, (size, time) in zip(paths, stats, strict=True):
        digest.update(f"{path}\0{size} {time}\n".encode(errors="surrogateescape"))
    return cache_folder() / "pictures" / f"{digest.hexdigest()[:24]}.json"


def _read_cache(cache: Path) -> dict[str, str] | None:
    try:
        found = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    readable = isinstance(found, dict) and all(isinstance(v, str) for v in found.values())
    return found if readable else None


def _write_cache(cache: Path, reasons: Mapping[str, str]) -> None:
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        replace_atomically(cache, json.dumps(reasons).encode())
    except OSError:  # the next look reads the pictures again
        return
