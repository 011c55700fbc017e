"""A user's own data sets: what is taken as it is, what is cut, and what is refused."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from se_nas import InputError, data
from se_nas.data import from_datasets
from se_nas.training.recipes import RECIPES
from se_nas.training.train import Training

LABELS = torch.arange(30) % 3


class Own(Dataset[Any]):
    """Items of any kind, each made from its label; counts how often it is asked."""

    def __init__(self, make: Any, labels: Any = LABELS, **attributes: Any) -> None:
        self.make, self.given, self.asked = make, labels, 0
        self.__dict__.update(attributes)

    def __len__(self) -> int:
        return len(self.given)

    def __getitem__(self, i: int) -> Any:
        self.asked += 1
        label = self.given[i]
        return self.make(label), label


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return itertools.repeat((torch.zeros(1, 8, 8), 0))


def tensors(count: int = 30, channels: int = 2, size: int = 8) -> TensorDataset:
    torch.manual_seed(0)
    return TensorDataset(torch.rand(count, channels, size, size), torch.arange(count) % 3)


def refused(*arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as error:
        from_datasets(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_images_of_any_channels_are_trained_on_as_they_are(channels: int) -> None:
    given = tensors(channels=channels)
    found = from_datasets(given, val=given, test=given)
    assert (found.in_channels, found.image_size, found.num_classes) == (channels, 8, 3)
    images, labels = found.train.__getitems__([4, 2])
    assert torch.equal(images, given.tensors[0][[4, 2]])
    assert labels.tolist() == [1, 2]
    metrics = Training("resnet8_small-width8", found, RECIPES["search"], epochs=1).epoch()
    assert 0 <= metrics.val_acc <= 1


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda y: torch.full((1, 4, 4), int(y) * 51, dtype=torch.uint8), 0.2),
        (lambda y: np.full((4, 4), int(y) * 51, np.uint8), 0.2),
        (lambda y: np.full((4, 4, 1), int(y) * 0.2), 0.2),
        (lambda y: Image.new("L", (4, 4), int(y) * 51), 0.2),
    ],
    ids=["uint8 tensor", "uint8 array", "float array", "PIL image"],
)
def test_bytes_become_unit_range_and_floats_stay(make: Any, expected: float) -> None:
    images, labels = from_datasets(Own(make)).train.__getitems__([0, 1, 2])
    assert images.dtype == torch.float32
    assert images[:, 0, 0, 0].tolist() == pytest.approx((labels * expected).tolist())


def test_colour_channels_of_an_array_come_last_as_torchvision_has_them() -> None:
    array = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3)
    image, _ = from_datasets(Own(lambda _: array)).train[0]
    assert torch.equal((image * 255).round().byte(), torch.from_numpy(array).permute(2, 0, 1))


def test_shares_are_cut_stratified_and_the_line_says_so() -> None:
    found = from_datasets(tensors(60), val=0.25, test=0.1)
    parts = (found.train, found.val, found.test)
    assert [len(part) for part in parts] == [39, 15, 6]
    indices = torch.cat([part.indices for part in parts])
    assert sorted(indices.tolist()) == list(range(60))
    assert found.val.labels.bincount().tolist() == [5, 5, 5]
    assert found.summary().endswith("39 train, 15 val, 6 test (val and test cut from train)")
    again = from_datasets(tensors(60), val=0.25, test=0.1, seed=1)
    assert again.val.indices.tolist() != found.val.indices.tolist()


def test_parts_that_are_given_are_left_whole() -> None:
    found = from_datasets(tensors(30), val=tensors(9), test=tensors(6))
    assert [len(part) for part in (found.train, found.val, found.test)] == [30, 9, 6]
    assert found.note == ""
    half = from_datasets(tensors(30), val=0.2, test=tensors(6))
    assert (len(half.train), half.note) == (24, "val cut from train")


def test_random_transforms_run_at_each_access_and_not_in_parts_cut_from_the_unaugmented() -> None:
    noisy = Own(lambda _: torch.rand(1, 8, 8))
    plain = Own(lambda y: torch.full((1, 8, 8), float(y)))
    found = from_datasets(noisy, unaugmented=plain)
    assert not torch.equal(found.train[0][0], found.train[0][0])
    for part in (found.val, found.test):
        images, labels = part.__getitems__(range(len(part)))
        assert torch.equal(images[:, 0, 0, 0], labels.float())


def test_labels_that_a_data_set_lists_are_not_read_item_by_item() -> None:
    listed = Own(lambda y: torch.zeros(1, 8, 8), torch.arange(3000) % 3, targets=[0, 1, 2] * 1000)
    assert from_datasets(listed).num_classes == 3
    assert listed.asked < 100
    wrong = Own(lambda y: torch.zeros(1, 8, 8), targets=[0] * 30)
    assert from_datasets(wrong).train.labels.bincount().tolist() == [6, 6, 6]


def test_class_names_come_from_the_data_set_or_are_given() -> None:
    named = Own(lambda y: torch.zeros(1, 8, 8), classes=["a", "b", "c"])
    assert from_datasets(named).classes == ("a", "b", "c")
    assert from_datasets(Subset(named, range(21))).classes == ("a", "b", "c")
    found = from_datasets(named, classes=["x", "y", "z"])
    assert found.preprocessing.classes == ("x", "y", "z")
    assert found.preprocessing.mean == (0.0,)


def zeros(*shape: int) -> Any:
    return lambda _: torch.zeros(shape)


@pytest.mark.parametrize(
    ("train", "options", "words"),
    [
        (tensors(), {"name": "digits"}, "name is 'digits', which is a data set of SE-NAS"),
        (tensors(), {"name": "../x"}, "name is '../x'; use letters"),
        (tensors(), {"val": 1.5}, "val is 1.5; give a data set, or a share of train in (0, 1)"),
        (tensors(), {"test": True}, "test is True; give a data set"),
        (tensors(), {"val": 0.6, "test": 0.5}, "the test part would have"),
        (tensors(), {"classes": "abc"}, "classes is 'abc'; give a list"),
        (tensors(), {"classes": ["a", "b"]}, "train[2] has the label 2; there are 2 classes"),
        (tensors(), {"classes": list("abcd")}, "train has no image with the label 3"),
        (tensors(), {"val": tensors(size=9)}, "val[0] is 2×9×9, not 2×8×8"),
        (tensors(), {"val": Own(zeros(2, 8, 8), [0, 3])}, "val[1] has the label 3"),
        (tensors(), {"unaugmented": tensors(6)}, "unaugmented has 6 items, train 30"),
        ([], {}, "train is an empty list"),
        (Endless(), {}, "train is Endless, an IterableDataset"),
        (DataLoader(tensors()), {}, "train is a DataLoader; give its data set: loader.dataset"),
        (3, {}, "train is int; give a data set with __getitem__ and __len__"),
        ([torch.zeros(1, 8, 8)] * 9, {}, "train[0] is a Tensor; give a pair (image, label)"),
        (Own(lambda _: "image"), {}, "train[0] has a str for an image"),
        (Own(zeros(8, 8)), {}, "train[0] has a tensor of shape (8, 8); give (C, H, W)"),
        (Own(zeros(1, 8, 9)), {}, "train[0] is 1×8×9; give square images"),
        (Own(zeros(1, 8, 8), [0.5] * 9), {}, "train[0] has the label 0.5"),
        (Own(zeros(1, 8, 8), [0, -1] * 9), {}, "train[1] has the label -1"),
        (Own(zeros(1, 8, 8), [1, 2] * 9), {}, "train has no image with the label 0"),
        (Own(zeros(1, 8, 8), [0] * 9), {}, "train has one class only (0)"),
        (Own(lambda y: torch.zeros(1, 8, 8).long()), {}, "values of type torch.int64"),
        (
            Own(lambda y: torch.zeros(1, 8 + int(y), 8 + int(y))),
            {},
            "train[2] is 1×10×10, not 1×8×8",
        ),
    ],
)
def test_what_cannot_be_trained_on_is_refused_in_one_line(
    train: Any, options: dict[str, Any], words: str
) -> None:
    assert words in refused(train, **options)


def test_an_image_of_another_shape_is_named_when_it_is_met() -> None:
    odd = [(torch.zeros(1, 8, 8), i % 2) for i in range(100)]
    odd[50] = (torch.zeros(3, 8, 8), 0)
    found = from_datasets(odd, val=odd[:10], test=odd[:10])
    with pytest.raises(InputError, match=r"^train\[50\] is 3×8×8, not 1×8×8$"):
        found.train.__getitems__([49, 50])


FILE = """
import torch
from torch.utils.data import TensorDataset
from se_nas.data import from_datasets
import beside

IMAGES = TensorDataset(torch.rand(60, 3, 8, 8), torch.arange(60) % beside.CLASSES)
"""


@pytest.mark.parametrize(
    "ending", ["DATA = from_datasets(IMAGES)", "def load_data():\n    return from_datasets(IMAGES)"]
)
def test_a_file_defines_data_or_a_function_that_gives_it(ending: str, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("CLASSES = 3")
    (tmp_path / "mine.py").write_text(FILE + ending)
    assert (
        data.load(str(tmp_path / "mine.py")).summary().startswith("own: 3 classes, 3×8×8, 36 train")
    )
    assert len(data.load(str(tmp_path / "mine.py"), limit_train=12).train) == 12


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("DATA = 3", "there is a int"),
        ("x = 1", "there is neither"),
        ("\nimport nothing_of_this_name", ", line 2: ModuleNotFoundError"),
        ("def load_data():\n    return 1 / 0", ", line 2: ZeroDivisionError"),
        ("from se_nas.data import from_datasets\nDATA = from_datasets([])", "line 2: train is an"),
        ("def", "line 1: syntax error"),
    ],
)
def test_an_error_in_a_file_is_one_line_with_its_place(
    text: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(InputError) as error:
        data.load(str(tmp_path / "mine.py"))
    assert words in str(error.value)
    assert "mine.py" in str(error.value)
    assert "\n" not in str(error.value)


def test_settings_that_a_file_decides_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("")
    with pytest.raises(InputError, match=r"image_size is 32; mine\.py decides that"):
        data.load(str(tmp_path / "mine.py"), image_size=32)
    with pytest.raises(InputError, match=r"there is no such file"):
        data.load(str(tmp_path / "other.py"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_classes": 1, "in_channels": 3, "image_size": 32}, "num_classes is 1"),
        ({"num_classes": 10, "in_channels": 0, "image_size": 32}, "in_channels is 0"),
        ({"num_classes": 10, "in_channels": 3, "image_size": 8.5}, "image_size is 8.5"),
    ],
)
def test_a_shape_without_sense_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        data.ImageShape(**options)
