"""Augmentation beside crop and flip: each image by itself, of the size that is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from made_data import made
from PIL import Image

from se_nas.data import RamImages, load
from se_nas.data.augmentation import Augmentation, Cutout
from se_nas.data.images import FolderImages, Statistics


def test_a_cutout_is_a_square_clipped_at_the_border() -> None:
    torch.manual_seed(0)
    images = Cutout(4)(torch.ones(4000, 3, 16, 16))
    zeros = (images[:, 0] == 0).sum((1, 2))
    assert torch.equal(images[:, 0], images[:, 2])
    assert int(zeros.max()) == 16
    assert int(zeros.min()) == 4, "the middle is in the image: at least a quarter is"
    rows = (images[:, 0] == 0).any(2).sum(1)
    columns = (images[:, 0] == 0).any(1).sum(1)
    assert torch.equal(rows * columns, zeros)
    assert len(set(zeros.tolist())) > 3


@pytest.mark.parametrize(
    "more", [Augmentation(rand_augment=15), Augmentation(cutout=8), Augmentation(erasing=1.0)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_of_a_batch_is_changed_by_itself(more: Augmentation, channels: int) -> None:
    pixels, _ = made(1, channels, 16, 2, seed=0)
    same = torch.from_numpy(pixels).expand(64, -1, -1, -1)
    plain = RamImages.of(same, torch.zeros(64, dtype=torch.long))
    statistics = plain.statistics()
    torch.manual_seed(0)
    images, _ = plain.prepared(statistics, augment=True, more=more).__getitems__(range(64))
    assert images.shape == (64, channels, 16, 16)
    assert images.dtype == torch.float32
    assert len({image.numpy().tobytes() for image in images}) > 8


def test_picture_files_are_augmented_too(tmp_path: Path) -> None:
    pixels, _ = made(1, 3, 40, 2, seed=0)
    Image.fromarray(pixels[0].transpose(1, 2, 0)).save(tmp_path / "a.png")
    files = FolderImages(
        (str(tmp_path / "a.png"),) * 2, torch.tensor([0, 1]), torch.arange(2), image_size=32
    )
    gray = Statistics((0.5,) * 3, (0.25,) * 3)
    more = Augmentation(rand_augment=9, cutout=8, erasing=1.0)
    images, _ = files.prepared(gray, augment=True, more=more).__getitems__([0, 1])
    assert images.shape == (2, 3, 32, 32)
    assert not torch.equal(images[0], images[1])


def test_nothing_more_is_the_data_sets_own() -> None:
    data = load("digits", limit_train=100)
    assert data.augmented(Augmentation()) is data.train
    changed = data.augmented(replace(Augmentation(), cutout=2))
    assert len(changed) == 100
    assert changed is not data.train
