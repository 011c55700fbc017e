"""Folders of classes as people leave them, without what programs put beside the pictures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from se_nas.data.pictures import SUFFIXES

# Left by file managers and servers beside the names that begin with a dot.
LITTER = frozenset(
    name.lower()
    for name in (
        "Thumbs.db", "desktop.ini", "__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN",
        "System Volume Information", "__pycache__",
    )
)  # fmt: skip


def is_litter(name: str) -> bool:
    """Return whether a file or folder is a program's and no one's picture or class.

    >>> is_litter(".ipynb_checkpoints"), is_litter("._0.png"), is_litter("cats.jpg")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in LITTER


class ClassFolders(NamedTuple):
    """One part of a folder: pictures with their labels, in a fixed order.

    Attributes:
        classes: the names, sorted; a label is a position among them.
        samples: (path, label) of each picture.
        others: how many files are of other kinds than ``SUFFIXES``, by suffix; and links back.
    """

    classes: list[str]
    samples: list[tuple[str, int]]
    others: Counter[str]


def read_class_folders(root: Path) -> ClassFolders:
    """Read a folder of classes as torchvision's ``ImageFolder`` does, but without litter.

    Below a class, links to folders are followed, except back: to one that holds the link, or into
    ``root``, where pictures would come again under another class or without end.

    Raises:
        FileNotFoundError: there is no class, or one without a picture.
    """
    with os.scandir(root) as entries:
        classes = sorted(e.name for e in entries if e.is_dir() and not is_litter(e.name))
    if not classes:
        raise FileNotFoundError("there is no folder of a class")
    others: Counter[str] = Counter()

    def is_picture(path: str) -> bool:
        if any(map(is_litter, os.path.relpath(path, root).split(os.sep))):
            return False
        suffix = os.path.splitext(path)[1].lower()
        if suffix not in SUFFIXES:
            others[suffix or "no suffix"] += 1
            return False
        # A pipe would be waited for; a link that leads nowhere is told of as damaged.
        return os.path.isfile(path) or os.path.islink(path)

    own = {os.path.realpath(folder) for folder in (root, *(root / name for name in classes))}
    samples: list[tuple[str, int]] = []
    empty: list[str] = []
    for label, name in enumerate(classes):
        paths = [path for path in _files(root, root / name, own, others) if is_picture(path)]
        samples += [(path, label) for path in paths]
        if not paths:
            empty.append(name)
    if empty:
        raise FileNotFoundError(f"Found no picture for the classes {', '.join(empty)}")
    return ClassFolders(classes, samples, others)


def _files(root: Path, folder: Path, own: set[str], others: Counter[str]) -> Iterator[str]:
    """Yield the files below a class's folder in torchvision's order, by folder and name.

    Args:
        own: the folder of the part and those of its classes, resolved; links to them are counted.
    """
    entered = set(own)
    found: list[tuple[str, list[str]]] = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        found.append((parent, sorted(files)))
        kept = [name for name in sorted(folders) if not is_litter(name)]
        folders.clear()
        for name in kept:
            path = os.path.join(parent, name)
            real = os.path.realpath(path)
            if os.path.islink(path) and (real in entered or _is_below(real, root)):
                others["link back"] += 1
            elif real not in entered:
                entered.add(real)
                folders.append(name)
    for parent, files in sorted(found):
        yield from (os.path.join(parent, name) for name in files)


def _is_below(path: str, root: Path) -> bool:
    """Return whether a resolved path is in ``root``, or ``root`` in it."""
    real = os.path.realpath(root)
    return os.path.commonpath((path, real)) in (path, real)


def text_of_others(others: Counter[str]) -> str:
    """Write how many files of other kinds there are; empty for none.

    >>> text_of_others(Counter({".heic": 3, ".txt": 1}))
    '4 files of other kinds left out (3 .heic, 1 .txt)'
    """
    if not others:
        return ""
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(4))
    more = ", …" if len(others) > 4 else ""
    count = sum(others.values())
    return f"{count} file{'s' * (count != 1)} of other kinds left out ({kinds}{more})"
