"""A hash of what is in a data set: that another copy of it is the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from se_nas.data.data_set import Data
from se_nas.data.images import FolderImages, RamImages

MOST_BYTES = 2**30  # of picture files that are read for it


def content_hash(data: Data) -> str:
    """Return ``kind:hash``, where the kind says what went into it.

    ``pixels`` are those of all images, ``files`` the bytes of picture files. Of more than a
    gibibyte of files it is their ``names`` and sizes, and of a user's own data set the ``labels``
    alone. The cut into parts counts in each.
    """
    found = hashlib.sha256()
    parts = (data.train, data.val, data.test)
    kind = "labels"
    if all(isinstance(part, RamImages) for part in parts):
        kind = "pixels"
    elif all(isinstance(part, FolderImages) for part in parts):
        kind = "files" if sum(data.files.values()) <= MOST_BYTES else "names"
    for part in parts:
        found.update(part.labels.numpy().tobytes() + part.indices.numpy().tobytes())
        if isinstance(part, RamImages) and kind == "pixels":
            found.update(part.images_nchw.numpy().tobytes())
        elif isinstance(part, FolderImages):
            for content in _of_files(part, kind == "files"):
                found.update(content)
    return f"{kind}:{found.hexdigest()[:16]}"


def _of_files(part: FolderImages, whole: bool) -> Iterator[bytes]:
    for path in part.paths:
        name = "/".join(Path(path).parts[-2:])  # the class and the file: the folder may move
        yield f"{name} {os.path.getsize(path)}\n".encode(errors="backslashreplace")
        if whole:
            yield Path(path).read_bytes()
