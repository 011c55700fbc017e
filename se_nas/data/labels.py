"""The labels of a user's data set, all at once: for the cut, and for the number of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Subset, TensorDataset

from se_nas.data.dataset_images import to_label
from se_nas.errors import InputError

# Items of a part that are looked at in place of all.
LOOKED_AT = 16


def read_labels(part: str, dataset: Any) -> Tensor:
    """Return the labels of all items, int64 (N,).

    Those that the data set lists, if they are those of its items; else every item is read.

    Raises:
        InputError: an item is no pair, or its label no whole number from 0.
    """

    def label(i: int) -> int:
        try:
            return to_label(dataset[i])
        except InputError as error:
            raise InputError(f"{part}[{i}] {error}") from None

    count = len(dataset)
    listed = _listed_labels(dataset)
    if listed is not None and all(label(i) == int(listed[i]) for i in spread(count)):
        return listed
    return torch.tensor([label(i) for i in range(count)])


def count_classes(labels: Tensor, names: Sequence[str]) -> int:
    """Return the number of classes: of the names, else of the labels.

    Raises:
        InputError: there are fewer than two.
    """
    count = len(names) or int(labels.max()) + 1
    if count < 2 or int(labels.min()) == int(labels.max()):
        raise InputError(f"train has one class only ({int(labels[0])}); at least 2 are needed")
    return count


def check_labels(part: str, labels: Tensor, num_classes: int) -> None:
    """Refuse labels that are out of range, and a class that has nothing to train on.

    Raises:
        InputError: with the first of them.
    """
    wrong = (labels >= num_classes).nonzero().flatten()
    if len(wrong):
        i = int(wrong[0])
        raise InputError(
            f"{part}[{i}] has the label {int(labels[i])}; there are {num_classes} classes, "
            f"allowed are 0 to {num_classes - 1}"
        )
    missing = sorted(set(range(num_classes)) - set(labels.tolist()))
    if part == "train" and missing:
        raise InputError(
            f"train has no image with the label {missing[0]}; each of the {num_classes} classes, "
            f"numbered from 0, needs some"
        )


def spread(count: int) -> list[int]:
    """Return some positions from the first to the last of ``count``.

    >>> spread(3), len(spread(1000))
    ([0, 1, 2], 16)
    """
    return sorted({round(i * (count - 1) / (LOOKED_AT - 1)) for i in range(LOOKED_AT)})


def _listed_labels(dataset: Any) -> Tensor | None:
    """Return what a data set says of its labels, as torchvision's and PyTorch's do."""
    if isinstance(dataset, Subset):
        inner = _listed_labels(dataset.dataset)
        return None if inner is None else inner[torch.as_tensor(list(dataset.indices))]
    if isinstance(dataset, TensorDataset):
        found: Any = dataset.tensors[1] if len(dataset.tensors) > 1 else None
    else:
        found = getattr(dataset, "targets", getattr(dataset, "labels", None))
    try:
        labels = torch.as_tensor(found)
    except (TypeError, ValueError, RuntimeError):
        return None
    whole = not labels.is_floating_point() and labels.dtype != torch.bool
    in_range = labels.shape == (len(dataset),) and whole and int(labels.min()) >= 0
    return labels.long() if in_range else None
