"""Data sets that the workers of a node share."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from se_nas import data
from se_nas.search.worker.shared_data import PARTS, TENSORS, share
from se_nas.training.recipes import RECIPES
from se_nas.training.train import Training


def test_the_arrays_stay_outside_of_the_pickle() -> None:
    given = share(data.load("digits", image_size=32))
    assert given is not None
    buffers: list[pickle.PickleBuffer] = []
    inside = pickle.dumps(given, protocol=5, buffer_callback=buffers.append)
    size = sum(array.nbytes for arrays in given.arrays.values() for array in arrays.values())
    assert size > 1_800_000
    assert sum(buffer.raw().nbytes for buffer in buffers) == size
    assert len(inside) < 20_000


@pytest.mark.filterwarnings("error")
def test_training_on_read_only_arrays_is_training() -> None:
    loaded = data.load("digits", limit_train=200)
    given = share(loaded)
    assert given is not None
    for arrays in given.arrays.values():
        for name, array in arrays.items():
            arrays[name] = np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape)
            assert not arrays[name].flags.writeable
    again = given.data()
    for part in PARTS:
        for name in TENSORS:
            assert torch.equal(
                getattr(getattr(again, part), name), getattr(getattr(loaded, part), name)
            )
    losses = [
        Training("resnet8_small-width8", images, RECIPES["search"], epochs=1).epoch().val_loss
        for images in (loaded, again)
    ]
    assert losses[0] == losses[1]


def test_of_image_files_the_list_is_shared(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for label in range(2):
            folder = tmp_path / part / str(label)
            folder.mkdir(parents=True)
            for i in range(5):
                Image.new("RGB", (8, 8)).save(folder / f"{i}.png")
    loaded = data.load("imagefolder", tmp_path, val_images=2)
    shared = share(loaded)
    assert shared is not None
    (tmp_path / "train/0/0.png").unlink()  # by now a worker's own cut would be another one
    again = pickle.loads(pickle.dumps(shared)).data()
    assert again is not None
    for part in PARTS:
        assert getattr(again, part).paths == getattr(loaded, part).paths
        assert torch.equal(getattr(again, part).labels, getattr(loaded, part).labels)
