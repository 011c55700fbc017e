"""Batches of loaders with processes, where shared memory is small."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from se_nas.data import from_datasets, shared_memory, train_loader


def data():  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    own = TensorDataset(torch.rand(40, 3, 8, 8), torch.arange(40) % 2)
    return from_datasets(own, workers=2)


def free(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(
        shared_memory.os, "statvfs", lambda _: SimpleNamespace(f_bavail=size, f_frsize=1)
    )


def test_a_container_of_64_mb_does_not_hold_batches_of_photos(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photos = 128 * 3 * 224 * 224 * 4
    free(monkeypatch, 64 * 2**20)
    assert not shared_memory.serves(photos, 1)
    free(monkeypatch, 256 * 2**30)
    assert shared_memory.serves(photos, 4)


@pytest.mark.parametrize("lack", ["files", "short temporary folder", "temporary folder"])
def test_a_loader_needs_open_files_and_a_folder_for_sockets_too(
    lack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 2**40)
    assert shared_memory.serves(1, 1)
    if lack == "files":
        monkeypatch.setattr(shared_memory.resource, "getrlimit", lambda _: (256, 256))
    elif lack == "temporary folder":
        monkeypatch.setattr(
            shared_memory.tempfile, "gettempdir", lambda: (_ for _ in ()).throw(FileNotFoundError())
        )
    else:
        monkeypatch.setattr(shared_memory.tempfile, "gettempdir", lambda: "/" + "x" * 80)
    assert not shared_memory.serves(1, 1)


def test_batches_are_the_same_by_memory_by_pipe_and_without_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = data().train
    found = []
    for size in (2**40, 0):
        free(monkeypatch, size)
        loader = train_loader(images, 8, seed=0, epoch=0)
        assert loader.num_workers == 2
        assert (loader.collate_fn is shared_memory.Piped) == (size == 0)
        found.append(list(loader))
    monkeypatch.setattr(shared_memory, "processes_serve", lambda: False)
    loader = train_loader(images, 8, seed=0, epoch=0)
    assert loader.num_workers == 0
    found.append(list(loader))
    for batches in found[1:]:
        for (images_a, labels_a), (images_b, labels_b) in zip(found[0], batches, strict=True):
            assert torch.equal(images_a, images_b)
            assert torch.equal(labels_a, labels_b)


def test_a_piped_batch_may_be_written_to() -> None:
    function, arrays = shared_memory.Piped((torch.zeros(2), torch.ones(2))).__reduce__()
    assert all(isinstance(array, np.ndarray) for array in arrays)
    assert [tensor.add_(1).tolist() for tensor in function(*arrays)] == [[1, 1], [2, 2]]
