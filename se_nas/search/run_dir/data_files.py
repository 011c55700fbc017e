"""The files of a run's images, so that a run that is taken up goes on with the same ones.

``data.json.gz`` has the bytes of each file by its path in the data's folder, and the pictures that
were left out with the reasons. The folder itself may move.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from se_nas.data import Data, ImageShape
from se_nas.errors import InputError
from se_nas.files import replace_atomically
from se_nas.search.run_dir.directory import RunDirectory, display_path

DATA_FILES = "data.json.gz"
NAMED = 3


def write_data_files(run: RunDirectory, images: ImageShape) -> None:
    """Write what files the images are of; nothing where they are of none that are known.

    Raises:
        OSError: the file cannot be written.
    """
    if not isinstance(images, Data) or not images.files:
        return
    text = json.dumps({"files": dict(images.files), "skipped": dict(images.skipped)})
    replace_atomically(run.path / DATA_FILES, gzip.compress(text.encode(), mtime=0))


def check_data_files(run: RunDirectory, images: ImageShape) -> None:
    """Refuse images whose files are not those that the run began with.

    A run of a version that did not write them passes, and from now on has them.

    Raises:
        InputError: with the difference.
    """
    if not isinstance(images, Data) or not images.files:
        return
    if not (run.path / DATA_FILES).exists():
        write_data_files(run, images)
        return
    before, now = _read(run), images.files
    differences = {
        "gone": sorted(before.keys() - now.keys()),
        "new": sorted(now.keys() - before.keys()),
        "of another size": sorted(p for p in before.keys() & now.keys() if before[p] != now[p]),
    }
    found = [
        f"{len(paths)} {how} ({', '.join(paths[:NAMED])}{', …' * (len(paths) > NAMED)})"
        for how, paths in differences.items()
        if paths
    ]
    if found:
        raise InputError(
            f"the images are not those of the run {run.shown}: of {len(before)} files "
            f"{', '.join(found)}; put them back, or start a new run"
        )


def data_parts(run: RunDirectory) -> dict[str, str]:
    """Return what ``check_parts`` compares, of the run's images; empty where they are of no files.

    Raises:
        InputError: the run's list of them is damaged.
    """
    return _parts(_read(run)) if (run.path / DATA_FILES).exists() else {}


def check_parts(parts: Mapping[str, str], images: ImageShape, whose: str) -> None:
    """Refuse images whose files have other paths or sizes than those of ``data_parts``.

    Raises:
        InputError: with the parts that differ.
    """
    if not parts or not isinstance(images, Data) or not images.files:
        return
    now = _parts(images.files)
    found = [
        f"{part} ({_count(parts, part)} there, {_count(now, part)} here)"
        for part in sorted(parts.keys() | now.keys())
        if parts.get(part) != now.get(part)
    ]
    if found:
        raise InputError(
            f"the images are not those of {whose}: other files are in {', '.join(found)}; "
            "give a folder of the same files"
        )


def _count(parts: Mapping[str, str], part: str) -> str:
    return parts.get(part, "0").split(" ")[0]


def _parts(files: Mapping[str, int]) -> dict[str, str]:
    """Return for each folder of the first level how many files it has, and a hash of their list."""
    lines: defaultdict[str, list[str]] = defaultdict(list)
    for path, size in sorted(files.items()):
        lines[path.split("/")[0]].append(f"{path} {size}\n")
    return {
        part: f"{len(of)} {hashlib.sha256(''.join(of).encode('utf-8', 'replace')).hexdigest()[:16]}"
        for part, of in lines.items()
    }


def _read(run: RunDirectory) -> Mapping[str, int]:
    path = run.path / DATA_FILES
    try:
        found: Any = json.loads(gzip.decompress(path.read_bytes()))
        files = found["files"]
    except (OSError, EOFError, ValueError, zlib.error, KeyError, TypeError):
        files = None
    if not isinstance(files, dict):
        raise InputError(
            f"{display_path(path)!r} is damaged: it does not say which images the run has; "
            "remove it to go on without that check"
        )
    return files
