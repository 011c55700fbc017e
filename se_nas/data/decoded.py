"""Pictures decoded once: their pixels lie in the machine's temporary folder, for all its processes.

A picture is decoded by whoever needs it first, a trial, a retraining or the next search, and read
as it is from then on; the pages of these files are the system's to keep in memory or not. Only data
sets that are small, against what is free there, are kept. ``se-nas clean`` removes them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from se_nas.data.pictures import open_picture

MOST = 4 << 30  # bytes of a data set
SHARE = 8  # at most an eighth of what is free
SAMPLE = 32  # pictures whose sizes are read to know how many bytes all have


def decoded_folder() -> Path:
    """Return the folder of this user's decoded pictures; it need not be there."""
    return Path(tempfile.gettempdir()) / f"se-nas-pictures-{os.geteuid()}"


def fits(paths: Sequence[str]) -> bool:
    """Return whether the pictures of a data set are to be kept; make room for them if so."""
    sizes = []
    for path in paths[:: max(1, len(paths) // SAMPLE)]:
        with contextlib.suppress(Exception), Image.open(path) as image:  # who reads it will say why
            sizes.append(3 * image.width * image.height)
    if not sizes:
        return False
    wanted = len(paths) * sum(sizes) // len(sizes)
    folder = decoded_folder()
    try:
        free = shutil.disk_usage(folder.parent).free
        if wanted > min(MOST, free // SHARE):
            return False
        folder.mkdir(mode=0o700, exist_ok=True)
        if not _is_ours(folder):
            return False
        held = sum(entry.stat().st_size for entry in os.scandir(folder))
        if held + wanted > MOST:  # of data sets before: what is needed again is decoded again
            for entry in os.scandir(folder):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
    except OSError:
        return False
    return True


def open_decoded(path: str) -> Image.Image:
    """Read an image file as ``open_picture`` does, decoded before if that was done.

    Raises:
        ImageError: as ``open_picture``.
    """
    folder = decoded_folder()
    try:
        told = os.stat(path)
        if not _is_ours(folder):
            return open_picture(path)
    except OSError:
        return open_picture(path)
    key = f"{os.path.realpath(path)}\0{told.st_mtime_ns}\0{told.st_size}"
    file = folder / f"{hashlib.sha256(os.fsencode(key)).hexdigest()[:32]}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):  # not there, or cut by a full disk
        pixels = np.load(file)
        if pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3:
            return Image.fromarray(pixels)
    image = open_picture(path)
    part = file.with_suffix(f".{os.getpid()}.part")
    try:  # whole or not at all; what a crash of the machine cuts is not read
        with part.open("wb") as out:
            np.save(out, np.asarray(image))
        os.replace(part, file)
    except OSError:  # a full disk
        with contextlib.suppress(OSError):
            part.unlink()
    return image


def _is_ours(folder: Path) -> bool:
    """Return whether a folder is this user's: others may write into the temporary folder."""
    told = os.lstat(folder)
    return stat.S_ISDIR(told.st_mode) and told.st_uid == os.geteuid() and not told.st_mode & 0o022
