"""One training run over several processes: the same batches, a slice of each in every process.

The gradient is that of the whole batch: each process takes the mean over a slice of the same size,
and DistributedDataParallel averages. Batch norm is synchronised on GPUs, as if one device had the
batch; on CPUs PyTorch cannot, and each process normalises its own slice. Not run on GPUs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Sampler

from se_nas.architecture.architecture import Architecture
from se_nas.data import Data, Images
from se_nas.data.images import Batch
from se_nas.training.evaluation import Tally
from se_nas.training.recipe import Recipe
from se_nas.training.train import EPOCH, Training

# The seed of augmentation and dropout in process r is that of stream EPOCH + r * APART.
APART = 1000


class ShardedBatchSampler(Sampler[list[int]]):
    """One process's part of the batches that a single process would draw.

    All slices of a batch have one size: what is over is left out, and so is a batch whose slices
    have one image only, since batch norm cannot train on it.

    Args:
        batches: positions of each batch.
        images: in all of them.
        batch_size: of all but the last.

    >>> list(ShardedBatchSampler([[5, 3, 1, 4], [0, 6]], images=6, batch_size=4, rank=1, size=2))
    [[3, 4]]
    """

    def __init__(
        self,
        batches: Iterable[Sequence[int]],
        *,
        images: int,
        batch_size: int,
        rank: int,
        size: int,
    ) -> None:
        self.batches, self.rank, self.size = batches, rank, size
        full, last = divmod(images, batch_size)
        self.count = full * (batch_size // size > 1) + (last // size > 1)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.batches:
            each = len(batch) // self.size
            if each > 1:
                yield list(batch)[self.rank : each * self.size : self.size]

    def __len__(self) -> int:
        return self.count


class DistributedTraining(Training):
    """``Training`` in one process of the default process group, made with equal arguments in each.

    All processes step together. Metrics are those of all of them.
    """

    def __init__(
        self,
        architecture: Architecture | str,
        data: Data,
        recipe: Recipe,
        *,
        epochs: int,
        seed: int = 0,
        device: torch.device | str | None = None,
        workers: int | None = None,
        init: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__(
            architecture,
            data,
            recipe,
            epochs=epochs,
            seed=seed,
            device=device,
            workers=workers,
            init=init,
        )
        if self.device.type == "cuda":
            self.model = nn.SyncBatchNorm.convert_sync_batchnorm(self.model)  # type: ignore[no-untyped-call]
        # Batch norms that are frozen for the last epochs have no gradients then.
        unused = self.recipe.frozen_norm_epochs > 0
        self.network = DistributedDataParallel(self.model, find_unused_parameters=unused)

    def _train_loader(self) -> DataLoader[Batch]:
        whole = super()._train_loader()
        assert whole.batch_sampler is not None, "it makes batches"
        slices = ShardedBatchSampler(
            whole.batch_sampler,
            images=len(self.train_images),
            batch_size=self.recipe.batch_size,
            rank=dist.get_rank(),
            size=dist.get_world_size(),
        )
        return DataLoader(
            self.train_images,
            batch_sampler=slices,
            generator=whole.generator,
            num_workers=whole.num_workers,
            collate_fn=whole.collate_fn,
            pin_memory=whole.pin_memory,
        )

    def _mean(self, total: Tensor, images: int) -> float:
        # The mean over all processes, so that each of them finds a loss that is not finite.
        both = torch.stack([total, torch.full_like(total, images)])
        dist.all_reduce(both)
        return float(both[0] / both[1])

    def _tally(self, images: Images) -> Tally:
        rank, size = dist.get_rank(), dist.get_world_size()
        found = super()._tally(images.select(torch.arange(rank, len(images), size)))
        dist.all_reduce(found.counts)
        dist.all_reduce(found.loss)
        return found

    @contextmanager
    def _random(self, epoch: int, stream: int) -> Iterator[None]:
        # Weights are the same everywhere; augmentation and dropout are not.
        apart = APART * dist.get_rank() if stream == EPOCH else 0
        with super()._random(epoch, stream + apart):
            yield
