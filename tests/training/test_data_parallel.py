"""Training over two processes on a CPU: the gradient of the whole batch, and one set of metrics."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import BatchSampler, SequentialSampler

from se_nas import data
from se_nas.training.data_parallel import ShardedBatchSampler
from se_nas.training.recipes import RECIPES
from se_nas.training.train import Training

NAME = "se_resnet8_small-width8_r4"
IMAGES = 137  # batches of 32, and one of 9, of which one image is left out

PROCESS = """
import sys
from dataclasses import replace
import torch
import torch.distributed as dist
from se_nas import data
from se_nas.training.recipes import RECIPES
from se_nas.training.data_parallel import DistributedTraining
folder, name = sys.argv[1:3]
rank, images, frozen, first, last = map(int, sys.argv[3:])
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
recipe = replace(RECIPES["search"], batch_size=32, frozen_norm_epochs=frozen)
given = data.load("digits", limit_train=images)
training = DistributedTraining(name, given, recipe, epochs=2, device="cpu")
if first:  # every process takes up what process 0 saved
    training.load_state_dict(torch.load(f"{folder}/saved"))
metrics = [training.epoch() for _ in range(first, last)]
if rank == 0:
    torch.save(training.state_dict(), f"{folder}/saved")
seen = [(m.train_loss, m.val_loss, m.val_acc) for m in metrics]
torch.save({"model": training.model.state_dict(), "metrics": seen}, f"{folder}/{rank}")
dist.destroy_process_group()
"""


class Accumulated(Training):
    """One process that goes through the slices one after the other."""

    def _step(self, x_nchw: Tensor, labels: Tensor) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        each = len(labels) // 2
        total = torch.zeros(())
        for rank in (1, 0):  # statistics of batch norm are those of process 0
            part = slice(rank, 2 * each, 2)
            smoothing = self.recipe.label_smoothing
            loss = F.cross_entropy(
                self.model(x_nchw[part]), labels[part], label_smoothing=smoothing
            )
            (loss / 2).backward()  # type: ignore[no-untyped-call]
            total += loss.detach() / 2
        self.optimizer.step()
        return total


def trained_by_two(
    folder: Path, frozen: int = 0, first: int = 0, last: int = 2
) -> list[dict[str, Any]]:
    (folder / "meet").unlink(missing_ok=True)
    numbers = [[str(n) for n in (rank, IMAGES, frozen, first, last)] for rank in range(2)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(folder), NAME, *numbers[rank]],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
    return [torch.load(folder / str(rank)) for rank in range(2)]


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    first, second = trained_by_two(tmp_path)
    given = data.load("digits", limit_train=IMAGES)
    recipe = replace(RECIPES["search"], batch_size=32)
    alone = Accumulated(NAME, given, recipe, epochs=2, device="cpu")
    metrics = [alone.epoch() for _ in range(2)]
    for name, value in alone.model.named_parameters():
        assert torch.equal(first["model"][name], second["model"][name])
        torch.testing.assert_close(first["model"][name], value.detach(), rtol=1e-3, atol=1e-5)
    assert first["metrics"] == second["metrics"]
    assert first["metrics"][0][0] == pytest.approx(metrics[0].train_loss, rel=1e-2)
    start = Training(NAME, given, recipe, epochs=2, device="cpu").model.state_dict()
    assert not torch.allclose(start["conv1.weight"], first["model"]["conv1.weight"], atol=1e-3)


def test_frozen_batch_norms_need_no_gradients(tmp_path: Path) -> None:
    first, second = trained_by_two(tmp_path, frozen=1)
    assert first["metrics"] == second["metrics"]


@pytest.mark.slow
def test_two_processes_that_go_on_from_a_checkpoint_give_what_they_would_have(
    tmp_path: Path,
) -> None:
    whole = trained_by_two(tmp_path)
    trained_by_two(tmp_path, last=1)
    resumed = trained_by_two(tmp_path, first=1)
    for once, again in zip(whole, resumed, strict=True):
        assert again["metrics"] == once["metrics"][1:]
    for name, value in whole[0]["model"].items():
        assert torch.equal(value, resumed[0]["model"][name])


@pytest.mark.parametrize("images", [8, 9, 10, 11, 12, 16])
@pytest.mark.parametrize("size", [2, 3])
def test_slices_are_disjoint_and_counted(images: int, size: int) -> None:
    batches = BatchSampler(SequentialSampler(range(images)), 8, drop_last=False)
    parts = [
        ShardedBatchSampler(batches, images=images, batch_size=8, rank=rank, size=size)
        for rank in range(size)
    ]
    lists = [list(part) for part in parts]
    assert all(len(part) == len(found) for part, found in zip(parts, lists, strict=True))
    seen = [i for found in lists for batch in found for i in batch]
    assert len(seen) == len(set(seen))
    for together in zip(*lists, strict=True):
        assert len({len(batch) for batch in together}) == 1
        assert len(together[0]) > 1
