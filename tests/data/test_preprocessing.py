"""``Preprocessing``: the transform of a picture is that of the validation images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from se_nas.data import ImageShape, Preprocessing, from_datasets, load
from se_nas.errors import InputError

KNOWN: dict[str, Any] = {
    "image_size": 64,
    "channels": 3,
    "crop": "center",
    "resize": 73,
    "mean": (0.5, 0.5, 0.5),
    "std": (0.2, 0.2, 0.2),
    "classes": ("cat", "dog <b>"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pets")
    random = np.random.RandomState(0)
    for part in ("train", "val"):
        for label in ("cat", "dog"):
            (root / part / label).mkdir(parents=True)
            for number, (mode, shape) in enumerate(
                (("RGB", (40, 90, 3)), ("RGB", (70, 50, 3)), ("L", (64, 64)))
            ):
                pixels = random.randint(0, 256, shape).astype(np.uint8)
                Image.fromarray(pixels, mode).save(root / part / label / f"{number}.png")
    return root


@pytest.mark.filterwarnings("ignore:.*mode.*parameter:DeprecationWarning")
def test_a_picture_is_transformed_as_the_validation_images_are(folder: Path) -> None:
    data = load("imagefolder", folder, image_size=32, val_images=2)
    told = Preprocessing.from_json(data.preprocessing.to_json())
    assert (told.image_size, told.crop, told.resize) == (32, "center", 37)
    assert told.classes == ("cat", "dog")
    transform = told.transform()
    for position, path in enumerate(sorted((folder / "val").glob("*/*.png"))):
        assert torch.equal(transform(path), data.test[position][0])
        assert torch.equal(transform(str(path)), data.test[position][0])
        with Image.open(path) as picture:
            assert torch.equal(transform(picture), data.test[position][0])


@pytest.mark.parametrize("side", [None, 20])
def test_a_picture_of_a_named_data_set_too(side: int | None) -> None:
    data = load("digits", image_size=side)
    own = load("digits").test
    pixels = own.images_nchw[3, 0]  # type: ignore[union-attr]
    given = data.preprocessing.transform()(Image.fromarray(pixels.numpy()))
    assert torch.equal(given, data.test[3][0])


def test_transforms_of_an_own_data_set_are_not_known() -> None:
    own = from_datasets(TensorDataset(torch.rand(60, 3, 16, 16), torch.arange(60) % 3))
    shape = ImageShape(num_classes=3, in_channels=5, image_size=16)
    for images in (own, shape):
        told = images.preprocessing
        assert (told.image_size, told.crop) == (16, None)
        assert Preprocessing.from_json(told.to_json()) == told
        with pytest.raises(InputError, match=r"transforms of its own. It takes [35]×16×16"):
            told.transform()


def test_another_size_cuts_off_the_same_share() -> None:
    told = Preprocessing(**KNOWN).at(128)
    assert (told.image_size, told.resize, told.mean) == (128, 146, (0.5, 0.5, 0.5))
    assert Preprocessing(image_size=8, channels=1, crop="squash").at(16).resize is None


def test_numbers_of_numpy_become_pythons() -> None:
    told = Preprocessing(
        image_size=np.int64(8), channels=np.int32(1), mean=(np.float64(0.5),), std=[np.float64(1)]
    )
    assert told == Preprocessing(image_size=8, channels=1, mean=(0.5,), std=(1.0,))
    assert told.to_json() == Preprocessing.from_json(told.to_json()).to_json()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("image_size", 0, "image_size of images is 0"),
        ("channels", True, "channels of images is True"),
        ("crop", "centre", "did you mean 'center'"),
        ("resize", None, "resize of images is None"),
        ("resize", 10, "resize of images is 10"),
        ("mean", (0.5,), "a number for each of 3 channels"),
        ("std", (1, 1, float("nan")), "a number for each of 3 channels"),
        ("std", 1, "a number for each of 3 channels"),
        ("classes", "cat", "give a list of names"),
        ("interpolation", "bicubic", "interpolation"),
    ],
)
def test_wrong_values_are_named(field: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Preprocessing(**{**KNOWN, field: value})


@pytest.mark.parametrize("text", ["", "[]", "3", "{}", '{"image_size": 3}', "[" * 100_000, "null"])
def test_other_json_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as error:
        Preprocessing.from_json(text)
    assert "\n" not in str(error.value)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(InputError, match="takes a path or a PIL image, not a tensor"):
        Preprocessing(**KNOWN).transform()(torch.zeros(3, 8, 8))
