"""Stratified splits of labelled images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from se_nas.errors import InputError


def stratified_split(
    labels: Tensor, count: int, seed: int, what: str, keep: int = 1
) -> tuple[Tensor, Tensor]:
    """Draw ``count`` positions so that every class has its share, to within one image.

    NumPy's legacy generator gives the same numbers in all its versions: so does the cut.

    Args:
        labels: int64 (N,).
        count: positions to draw.
        seed: of the draw, 0 to 2³² − 1.
        what: what the drawn part is, for the message.
        keep: images of every class that must not be drawn.

    Returns:
        Drawn positions and the others, both sorted. Every class is among the drawn unless it has
        only ``keep`` images.

    Raises:
        InputError: ``count`` leaves a class without an image in one of the parts.

    >>> drawn, rest = stratified_split(torch.tensor([0, 1] * 5), 4, seed=0, what="val part")
    >>> (drawn % 2).tolist().count(0), len(rest)
    (2, 6)
    """
    classes, sizes = np.unique(labels.numpy(), return_counts=True)
    quota = [count * size / len(labels) for size in sizes.tolist()]
    highest = [size - keep for size in sizes.tolist()]
    lowest = [min(1, high) for high in highest]
    if not sum(lowest) <= count <= sum(highest):
        raise InputError(
            f"the {what} would have {count} of {len(labels)} images in {len(classes)} classes; "
            f"possible are {sum(lowest)} to {sum(highest)}"
        )
    take = [
        min(max(int(q), low), high) for q, low, high in zip(quota, lowest, highest, strict=True)
    ]
    while sum(take) != count:
        step = 1 if sum(take) < count else -1
        bound = highest if step == 1 else lowest
        room = [i for i in range(len(take)) if take[i] != bound[i]]
        take[max(room, key=lambda i: step * (quota[i] - take[i]))] += step
    random = np.random.RandomState(seed)
    drawn = np.zeros(len(labels), dtype=bool)
    for label, number in zip(classes, take, strict=True):
        members = np.flatnonzero(labels.numpy() == label)
        drawn[random.permutation(members)[:number]] = True
    return torch.from_numpy(np.flatnonzero(drawn)), torch.from_numpy(np.flatnonzero(~drawn))
