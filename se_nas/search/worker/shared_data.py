"""Images in memory once a node: read by the driver, shared by the node's workers.

The arrays are in Ray's object store. A worker maps them and copies nothing; a node of a cluster
gets them over the network once, and needs no data folder. Image files stay where they are: each
node needs them under the same path.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import torch

from se_nas.data import Data, RamImages

PARTS = ("train", "val", "test")
TENSORS = ("images_nchw", "labels", "indices")
Array: TypeAlias = "np.ndarray[Any, Any]"


@dataclass(frozen=True, eq=False)
class SharedData:
    """A data set whose arrays Ray keeps outside of the pickle.

    Attributes:
        frame: the data set with empty tensors.
        arrays: ``arrays["train"]["images_nchw"]``.
    """

    frame: Data
    arrays: dict[str, dict[str, Array]]

    def data(self) -> Data:
        """The data set on these arrays. In a worker they are read-only: index, never assign."""
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


def share(data: Data) -> SharedData | None:
    """What to give to Ray; None for image files, which every worker opens itself.

    >>> from se_nas.data import load
    >>> share(load("digits")).data().summary() == load("digits").summary()
    True
    """
    if not all(isinstance(getattr(data, part), RamImages) for part in PARTS):
        return None
    arrays: dict[str, dict[str, Array]] = {}
    empty: dict[str, Any] = {}
    for part in PARTS:
        images = getattr(data, part)
        arrays[part] = {name: getattr(images, name).numpy() for name in TENSORS}
        empty[part] = replace(images, **{name: torch.empty(0) for name in TENSORS})
    return SharedData(replace(data, **empty), arrays)
