"""Folders of classes as people leave them, without what programs put beside the pictures."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from torchvision.datasets.folder import make_dataset

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
        others: how many files are of other kinds than ``SUFFIXES``, by suffix.
    """

    classes: list[str]
    samples: list[tuple[str, int]]
    others: Counter[str]


def read_class_folders(root: Path) -> ClassFolders:
    """Read a folder of classes as torchvision's ``ImageFolder`` does, but without litter.

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

    labels = {name: label for label, name in enumerate(classes)}
    try:
        samples = make_dataset(str(root), labels, is_valid_file=is_picture)
    except FileNotFoundError as error:
        # Of torchvision: "Found no valid file for the classes a, b. "
        reason = str(error).strip().rstrip(".").replace("valid file", "picture")
        raise FileNotFoundError(reason) from None
    return ClassFolders(classes, samples, others)


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
