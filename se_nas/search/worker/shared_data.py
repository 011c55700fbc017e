"""Objects that a run gives its workers by Ray's object store: images, a training function.

Arrays are there once a node. A worker maps them and copies nothing; a node of a cluster gets them
over the network once, and needs no data folder. Image files stay where they are: each node needs
them under the same path, and so it does a Python file with a data set or a training function. The
list of image files travels by value, so that all have the same ones; and so does what a user gives
as Python objects: each worker has a copy.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import torch

from se_nas.data import Data, FolderImages, ImageShape, RamImages
from se_nas.training.custom import TrainFunction

PARTS = ("train", "val", "test")
TENSORS = ("images_nchw", "labels", "indices")
Array: TypeAlias = "np.ndarray[Any, Any]"


@dataclass(frozen=True)
class UserObjects:
    """A user's Python objects, in place of a name or a file.

    Attributes:
        data: a data set, or the shape of the images that ``train`` brings.
        train: a training function in place of ours.
    """

    data: ImageShape | None = None
    train: TrainFunction | None = None


NO_OBJECTS = UserObjects()


@dataclass(frozen=True, eq=False)
class SharedData:
    """A data set whose arrays Ray keeps outside of the pickle, and a user's training function.

    Attributes:
        frame: the data set with empty tensors where there are arrays; None where each worker loads
            it by the settings.
        arrays: ``arrays["train"]["images_nchw"]``.
        train: a function, or the path of a file that defines it; None for our training.
        needed: the metric that the search compares.
        init: weights of the trunk that trainings start from, by name; empty: from scratch.
    """

    frame: ImageShape | None = None
    arrays: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    train: TrainFunction | str | None = None
    needed: str = "val_acc"
    init: Mapping[str, Array] = field(default_factory=dict)

    def data(self) -> ImageShape | None:
        """Return the data set on these arrays. In a worker they are read-only: never assign."""
        if self.frame is None or not self.arrays:
            return self.frame
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            parts = {
                part: replace(
                    getattr(self.frame, part),
                    **{name: torch.from_numpy(array) for name, array in arrays.items()},
                )
                for part, arrays in self.arrays.items()
            }
        return replace(self.frame, **parts)


def init_of(shared: SharedData | None) -> dict[str, torch.Tensor] | None:
    """Return the weights that a training starts from, as tensors of its own; None for none."""
    if shared is None or not shared.init:
        return None
    return {name: torch.from_numpy(array.copy()) for name, array in shared.init.items()}


def share(
    data: ImageShape,
    user: UserObjects = NO_OBJECTS,
    train_file: str | None = None,
    needed: str = "val_acc",
    init: Mapping[str, Array] | None = None,
) -> SharedData | None:
    """Return the value to put into Ray's store; None where workers load all that they need.

    Args:
        user: objects that cannot be loaded from a file.
        train_file: which defines a training function, if there is one; ``user.train`` wins.
        needed: the metric that the search compares.
        init: weights that trainings start from, if there are any.

    >>> from se_nas.data import load
    >>> share(load("digits")).data().summary() == load("digits").summary()
    True
    """
    train = user.train or train_file
    in_memory = isinstance(data, Data) and all(
        isinstance(getattr(data, part), RamImages) for part in PARTS
    )
    if not in_memory:
        listed = isinstance(data, Data) and isinstance(data.train, FolderImages)
        frame = data if listed else user.data
        if frame is None and train is None and init is None:
            return None
        return SharedData(frame, train=train, needed=needed, init=init or {})
    arrays: dict[str, dict[str, Array]] = {}
    empty: dict[str, Any] = {}
    for part in PARTS:
        images = getattr(data, part)
        arrays[part] = {name: getattr(images, name).numpy() for name in TENSORS}
        empty[part] = replace(images, **{name: torch.empty(0) for name in TENSORS})
    return SharedData(replace(data, **empty), arrays, train, needed, init or {})
