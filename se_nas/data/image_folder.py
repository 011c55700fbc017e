"""The reader of a folder of classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from se_nas.data.folders import is_litter, read_class_folders, text_of_others
from se_nas.data.images import FolderImages, StoredImages
from se_nas.data.source import LAYOUTS, Source, data_folder
from se_nas.errors import InputError


def imagefolder(data_dir: Path | None, image_size: int | None) -> Source:
    """Read a folder of classes for each part: ``train`` and one or both of ``val`` and ``test``.

    With only one of them beside ``train`` that one is the test part, as with ImageNet; with both,
    ``val`` is the validation part and nothing is cut from ``train``.
    """
    folder = data_folder("imagefolder", data_dir)
    present = [part for part in ("train", "val", "test") if (folder / part).is_dir()]
    if "train" not in present or len(present) < 2:
        lacking = "train/" if "train" not in present else "val/ or test/"
        there = sorted(p.name for p in folder.iterdir() if p.is_dir() and not is_litter(p.name))
        shown = ", ".join(there[:4]) + ", …" * (len(there) > 4)
        raise InputError(
            f"{lacking} is missing in data_dir {str(folder)!r}{shown and f' (it has {shown})'}; "
            f"expected: {LAYOUTS['imagefolder']}"
        )
    parts: dict[str, FolderImages] = {}
    classes: list[str] = []
    others: Counter[str] = Counter()
    for part in present:
        try:
            found = read_class_folders(folder / part)
        except OSError as error:
            reason = " ".join((error.strerror or str(error)).split())
            raise InputError(
                f"{folder / part}: {reason}; expected: {LAYOUTS['imagefolder']}"
            ) from None
        if part == "train":
            classes = found.classes
        elif found.classes != classes:
            odd = sorted(set(found.classes) ^ set(classes))
            raise InputError(
                f"{part}/ and train/ in {folder} have not the same classes; in one only: "
                f"{', '.join(odd[:5])}{', …' if len(odd) > 5 else ''}"
            )
        paths, labels = zip(*found.samples, strict=True)
        others += found.others
        order = torch.arange(len(paths))
        parts[part] = FolderImages(paths, torch.tensor(labels), order, image_size or 224)
    test = parts.get("test", parts.get("val"))
    assert test is not None
    val = parts["val"] if len(present) == 3 else None
    size = image_size or 224
    files = tuple(path for part in parts.values() for path in part.paths)
    note = text_of_others(others)
    return Source(
        len(classes), 3, size, parts["train"], test, val, tuple(classes), folder, files, note
    )


def decoded_once(source: Source) -> Source:
    """Return the parts with pictures that are kept as decoded (``decoded.fits``)."""

    def once(images: StoredImages) -> StoredImages:
        return replace(images, decoded=True) if isinstance(images, FolderImages) else images

    val = None if source.val is None else once(source.val)
    return replace(source, train=once(source.train), val=val, test=once(source.test))


def without_pictures(source: Source, skipped: Mapping[str, str]) -> Source:
    """Return a folder's parts without some of its pictures.

    Raises:
        InputError: a class has none left in one of the parts.
    """

    def without(part: str, images: StoredImages) -> StoredImages:
        if not isinstance(images, FolderImages):
            return images
        kept = [i for i, path in enumerate(images.paths) if path not in skipped]
        rest = images.select(torch.tensor(kept, dtype=torch.long))
        empty = set(images.labels.tolist()) - set(rest.labels.tolist())
        if empty:
            name = source.classes[min(empty)]
            raise InputError(
                f"no picture of class {name!r} can be read in {part} of {source.root}; repair some"
            )
        return rest

    count = len(skipped)
    note = f"{count} picture{'s' * (count != 1)} that cannot be read left out"
    return replace(
        source,
        train=without("train/", source.train),
        val=None if source.val is None else without("val/", source.val),
        test=without("the test part", source.test),
        note="; ".join(filter(None, (note, source.note))),
    )
