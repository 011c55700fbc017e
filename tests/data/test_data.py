"""Data sets: what is read, how it is cut, and what the errors say."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_data import idx, made, write_cifar, write_fashion, write_folder
from torch import Tensor
from torch.nn import functional as F
from torchvision import datasets

from se_nas.data import DATASETS, Data, RamImages, eval_loader, load, train_loader
from se_nas.data.images import CropAndFlip
from se_nas.data.split import stratified_split
from se_nas.errors import InputError

FASHION_FILES = [
    f"{part}-{kind}"
    for part in ("train", "t10k")
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
]


def contents(part: Any) -> set[bytes]:
    return {image.numpy().tobytes() for image in part.images_nchw}


def assert_no_leak(data: Data) -> None:
    train, val, test = data.train, data.val, data.test
    assert not set(train.indices.tolist()) & set(val.indices.tolist())
    assert isinstance(train, RamImages)
    assert len(contents(train)) == len(train)
    assert not contents(train) & contents(val)
    assert not (contents(train) | contents(val)) & contents(test)


def everything(part: Any) -> Tensor:
    return torch.cat([images for images, _ in eval_loader(part, 64, workers=0)])


def test_digits_are_cut_without_a_leak_and_by_class() -> None:
    data = load("digits")
    assert data.summary() == "digits: 10 classes, 1×8×8, 1150 train, 287 val, 360 test"
    assert_no_leak(data)
    for part in (data.train, data.val, data.test):
        counts = torch.bincount(part.labels, minlength=10)
        assert counts.min() >= 0.8 * counts.max()


def test_the_seed_moves_validation_but_never_test() -> None:
    first, same, other = load("digits"), load("digits"), load("digits", seed=1)
    assert first.val.indices.tolist() == same.val.indices.tolist()
    assert first.val.indices.tolist() != other.val.indices.tolist()
    assert contents(first.test) == contents(other.test)


def test_batches_have_mean_0_and_deviation_1_of_the_training_part() -> None:
    data = load("digits")
    train = everything(data.train)
    assert train.dtype == torch.float32
    assert float(train.mean()) == pytest.approx(0, abs=1e-5)
    assert float(train.std()) == pytest.approx(1, abs=1e-3)
    assert float(everything(data.val).mean()) != pytest.approx(0, abs=1e-5)


def test_limit_train_leaves_validation_alone() -> None:
    full, less = load("digits"), load("digits", limit_train=50)
    assert torch.bincount(less.train.labels).tolist() == [5] * 10
    assert set(less.train.indices.tolist()) < set(full.train.indices.tolist())
    assert less.val.indices.tolist() == full.val.indices.tolist()


def test_image_size_resizes() -> None:
    data = load("digits", image_size=16)
    assert data.image_size == 16
    assert everything(data.test).shape == (360, 1, 16, 16)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("below", ["", "FashionMNIST/raw"])
def test_fashion_mnist_in_every_layout(tmp_path: Path, packed: bool, below: str) -> None:
    write_fashion(tmp_path / below, packed=packed)
    data = load("fashion_mnist", tmp_path)
    assert data.summary() == "fashion_mnist: 10 classes, 1×28×28, 80 train, 20 val, 30 test"
    assert_no_leak(data)
    assert torch.bincount(data.val.labels).tolist() == [2] * 10
    images, labels = made(100, 1, 28, 10, seed=1)
    assert isinstance(data.train, RamImages)
    assert data.train.images_nchw.equal(torch.from_numpy(images)[data.train.indices])
    assert data.train.labels.equal(torch.from_numpy(labels)[data.train.indices])


@pytest.mark.parametrize("direct", [False, True])
def test_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, direct: bool) -> None:
    folder = write_cifar(tmp_path, monkeypatch, datasets.CIFAR10, 10, train=20)
    data = load("cifar10", folder if direct else tmp_path, val_images=30)
    assert data.summary() == "cifar10: 10 classes, 3×32×32, 70 train, 30 val, 10 test"
    assert_no_leak(data)
    first, _ = made(20, 3, 32, 10, seed=1)
    assert first[0].tobytes() in contents(data.train) | contents(data.val)


def test_cifar100_has_the_fine_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path, monkeypatch, datasets.CIFAR100, 100, train=300)
    data = load("cifar100", tmp_path, val_share=1 / 3)
    assert data.summary() == "cifar100: 100 classes, 3×32×32, 200 train, 100 val, 100 test"


def test_cifar_damaged_or_incomplete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_cifar(tmp_path, monkeypatch, datasets.CIFAR10, 10, train=20)
    with (folder / "data_batch_2").open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match=r"data_batch_2 is damaged"):
        load("cifar10", tmp_path)
    (folder / "data_batch_2").unlink()
    with pytest.raises(InputError, match=r"data_batch_2 is missing; expected: .*cifar-10-batches"):
        load("cifar10", tmp_path)


@pytest.mark.parametrize("official", ["val", "test"])
def test_imagefolder_cuts_validation_from_train(tmp_path: Path, official: str) -> None:
    write_folder(tmp_path, ("train", official))
    data = load("imagefolder", tmp_path, image_size=16, val_images=4)
    assert data.summary() == "imagefolder: 2 classes, 3×16×16, 8 train, 4 val, 12 test"
    assert not set(data.train.paths) & set(data.val.paths)  # type: ignore[union-attr]
    assert all(f"/{official}/" in path for path in data.test.paths)  # type: ignore[union-attr]
    assert data.val.labels.tolist() == [0, 0, 1, 1]
    assert everything(data.val).shape == (4, 3, 16, 16)
    assert everything(data.val).equal(everything(data.val))
    assert not everything(data.train).equal(everything(data.train))
    assert load("imagefolder", tmp_path, val_images=4).image_size == 224


def test_imagefolder_with_all_three_parts_cuts_nothing(tmp_path: Path) -> None:
    write_folder(tmp_path, ("train", "val", "test"))
    data = load("imagefolder", tmp_path, image_size=16)
    assert [len(data.train), len(data.val), len(data.test)] == [12, 12, 12]
    assert all("/val/" in path for path in data.val.paths)  # type: ignore[union-attr]
    with pytest.raises(InputError, match=r"val_share is 0.5; this folder has its own val/"):
        load("imagefolder", tmp_path, val_share=0.5)


def test_imagefolder_with_workers_gives_one_order(tmp_path: Path) -> None:
    data = load("imagefolder", write_folder(tmp_path), image_size=16, val_images=2)
    runs = [
        torch.cat([x for x, _ in train_loader(data.train, 4, seed=3, epoch=1, workers=1)])
        for _ in range(2)
    ]
    assert runs[0].equal(runs[1])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_truncated_image_is_one_line(tmp_path: Path, workers: int) -> None:
    path = write_folder(tmp_path) / "test/dog/3.png"
    path.write_bytes(path.read_bytes()[:300])
    data = load("imagefolder", tmp_path, image_size=16, val_images=2)
    with pytest.raises(InputError) as caught:
        list(eval_loader(data.test, workers=workers))
    assert str(caught.value).startswith(f"image {str(path)!r} cannot be read")
    assert "\n" not in str(caught.value)


def test_every_damage_to_an_image_names_the_file(tmp_path: Path) -> None:
    path = write_folder(tmp_path) / "test/dog/3.png"
    good = path.read_bytes()
    wide = bytearray(good)
    wide[16:24] = (60_000).to_bytes(4, "big") * 2  # of a header that promises 3.6 G pixels
    crc = zlib.crc32(wide[12:29]).to_bytes(4, "big")
    data = load("imagefolder", tmp_path, image_size=16, val_images=2)
    for content in (b"", b"<html>", good[:40], bytes(wide[:29]) + crc + good[33:]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"image '{path}' cannot be read .*repair it$"):
            list(eval_loader(data.test, workers=0))
    path.unlink()
    with pytest.raises(InputError, match=f"image '{path}' cannot be read .*No such file"):
        list(eval_loader(data.test, workers=0))


def test_crop_and_flip_gives_exactly_the_crops_of_the_padded_image() -> None:
    images = torch.randint(0, 256, (64, 2, 6, 6), dtype=torch.uint8)
    cropped = CropAndFlip(padding=1)(images)
    assert cropped.shape == images.shape
    seen = set()
    for image, out in zip(images, cropped, strict=True):
        padded = F.pad(image, (1, 1, 1, 1))
        crops = {(i, j): padded[:, i : i + 6, j : j + 6] for i in range(3) for j in range(3)}
        hits = [(place, False) for place, crop in crops.items() if crop.equal(out)]
        hits += [(place, True) for place, crop in crops.items() if crop.flip(2).equal(out)]
        assert len(hits) == 1
        seen |= set(hits)
    assert len(seen) > 12, "18 are possible; each image has a draw of its own"


def test_only_training_is_augmented(tmp_path: Path) -> None:
    data = load("fashion_mnist", write_fashion(tmp_path))
    assert not everything(data.train).equal(everything(data.train))
    assert everything(data.val).equal(everything(data.val))
    digits = load("digits")
    assert everything(digits.train).equal(everything(digits.train))


def test_one_image_is_an_item_too() -> None:
    data = load("digits")
    image, label = data.val[5]
    assert image.equal(everything(data.val)[5])
    assert label == data.val.labels[5]


def order(seed: int, epoch: int) -> list[int]:
    labels = RamImages.of(torch.zeros(65, 1, 2, 2, dtype=torch.uint8), torch.arange(65))
    return [y for _, ys in train_loader(labels, 16, seed=seed, epoch=epoch) for y in ys.tolist()]


def test_the_order_is_of_the_seed_and_the_epoch() -> None:
    torch.manual_seed(0)
    first = order(0, 0)
    torch.manual_seed(1)
    assert order(0, 0) == first
    assert len({tuple(order(*pair)) for pair in ((0, 0), (0, 1), (1, 0), (1, 1))}) == 4


def test_only_a_last_batch_of_one_is_dropped() -> None:
    assert len(order(0, 0)) == 64
    images = RamImages.of(torch.zeros(66, 1, 2, 2, dtype=torch.uint8), torch.arange(66))
    assert [len(y) for _, y in train_loader(images, 16, seed=0, epoch=0)] == [16] * 4 + [2]
    images = RamImages.of(torch.zeros(65, 1, 2, 2, dtype=torch.uint8), torch.arange(65))
    assert [len(y) for _, y in eval_loader(images, 16)] == [16] * 4 + [1]


def test_a_balanced_loader_draws_each_class_as_often() -> None:
    labels = torch.zeros(3000, dtype=torch.int64)
    labels[:100], labels[100:110] = 1, 2
    images = RamImages.of(torch.zeros(3000, 1, 2, 2, dtype=torch.uint8), labels)

    def drawn(epoch: int) -> list[int]:
        loader = train_loader(images, 100, seed=0, epoch=epoch, balanced=True)
        return [int(y) for _, batch in loader for y in batch]

    counts = [drawn(0).count(label) for label in range(3)]
    assert sum(counts) == 3000
    assert all(900 < count < 1100 for count in counts)
    assert drawn(1) == drawn(1) != drawn(0)


def test_the_split_shares_unequal_classes_and_keeps_one() -> None:
    labels = torch.tensor([0] * 70 + [1] * 20 + [2] * 9 + [3])
    drawn, rest = stratified_split(labels, 20, seed=0, what="validation part")
    assert torch.bincount(labels[drawn], minlength=4).tolist() == [14, 4, 2, 0]
    assert sorted([*drawn.tolist(), *rest.tolist()]) == list(range(100))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("fashion-mnist", {}, r"unknown data set 'fashion-mnist'; did you mean 'fashion_mnist'\?"),
        (
            "cifar10",
            {},
            r"data_dir is not given and cifar10 needs it; expected: .*cifar-10-batches",
        ),
        ("digits", {"val_share": 1.0}, r"val_share is 1.0; give a number between 0 and 1"),
        ("digits", {"val_share": 0.001}, r"validation part would have 1 of 1437 images"),
        ("digits", {"val_images": 1437}, r"validation part would have 1437 .*are 10 to 1427"),
        ("digits", {"val_images": 10, "val_share": 0.1}, r"give only one of them"),
        ("digits", {"limit_train": 9}, r"limit_train is 9; give a whole number of at least 10"),
        ("digits", {"seed": -1}, r"seed is -1; give a whole number from 0"),
        ("digits", {"image_size": True}, r"image_size is True; give a whole number from 4"),
    ],
)
def test_bad_options(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load(name, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"digits", "table"}))
def test_bad_folders(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"nowhere' is not a folder; expected: "):
        load(name, tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"is empty; expected: "):
        load(name, tmp_path)
    (tmp_path / "something").write_text("else")
    with pytest.raises(
        InputError, match=r"(missing|is not) in .*expected: |is missing; expected: "
    ):
        load(name, tmp_path)


@pytest.mark.parametrize("file", FASHION_FILES)
@pytest.mark.parametrize("packed", [False, True])
def test_truncated_idx_files(tmp_path: Path, file: str, packed: bool) -> None:
    path = write_fashion(tmp_path, packed=packed) / f"{file}{'.gz' if packed else ''}"
    path.write_bytes(path.read_bytes()[:-9])
    reason = "cannot be read" if packed else r"bytes of data, its header says"
    with pytest.raises(InputError, match=rf"{path.name} .*{reason}.*get the file again"):
        load("fashion_mnist", tmp_path)


def test_idx_files_that_do_not_belong_together(tmp_path: Path) -> None:
    path = write_fashion(tmp_path) / "train-labels-idx1-ubyte"
    path.write_bytes(idx(np.arange(99) % 10))
    with pytest.raises(InputError, match=r"train: 100 images and 99 labels"):
        load("fashion_mnist", tmp_path)
    path.write_bytes(idx(np.arange(100) % 11))
    with pytest.raises(InputError, match=r"train: label 10 .*; allowed: 0 to 9"):
        load("fashion_mnist", tmp_path)
    path.write_bytes(idx(np.zeros(100)))
    with pytest.raises(InputError, match=r"has one class only \(0\)"):
        load("fashion_mnist", tmp_path)
    path.write_bytes((tmp_path / "train-images-idx3-ubyte").read_bytes())
    with pytest.raises(InputError, match=r"is not an idx file of 1-dimensional bytes"):
        load("fashion_mnist", tmp_path)


def test_fewer_images_than_classes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has 9 training images .* 10 classes need"):
        load("fashion_mnist", write_fashion(tmp_path, train=9))


def test_imagefolder_classes(tmp_path: Path) -> None:
    write_folder(tmp_path / "a")
    (tmp_path / "a/test/dog").rename(tmp_path / "a/test/dogs")
    with pytest.raises(InputError, match=r"not the same classes; in one only: dog, dogs"):
        load("imagefolder", tmp_path / "a")
    (tmp_path / "a/train/bird").mkdir()
    with pytest.raises(InputError, match=r"bird.*expected: train/CLASS"):
        load("imagefolder", tmp_path / "a")
    write_folder(tmp_path / "b")
    for part in ("train", "test"):
        (tmp_path / "b" / part / "dog").rename(tmp_path / "b" / f"{part}-dog")
    with pytest.raises(InputError, match=r"has one class only"):
        load("imagefolder", tmp_path / "b")
