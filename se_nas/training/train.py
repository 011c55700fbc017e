"""Training of a network, an epoch at a time. No search here: plain PyTorch.

>>> from se_nas.data import load
>>> from se_nas.training.recipe import Recipe
>>> training = Training("resnet18-depths1.1-width8-stem.small", load("digits"), Recipe(), epochs=1)
>>> training.epoch().epoch, training.finished
(1, True)
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from se_nas.architecture.architecture import Architecture
from se_nas.data import Data, Images, eval_loader, train_loader
from se_nas.data.augmentation import Augmentation
from se_nas.data.images import Batch
from se_nas.data.loaders import mixed_seed
from se_nas.errors import InputError
from se_nas.models.materialize import materialize
from se_nas.nn.identity_init import init_identity
from se_nas.nn.model import Model
from se_nas.training.epoch import EpochMetrics, NonFiniteLoss
from se_nas.training.evaluation import Metrics, Tally, default_device, tally, to_device
from se_nas.training.loss import loss_of, mixed
from se_nas.training.optimizer import (
    amp_dtype,
    freeze_norms,
    learning_rate,
    make_optimizer,
    moving_average,
    plateaus,
)
from se_nas.training.recipe import Recipe
from se_nas.values import whole

# Streams of random numbers of one seed, beside the loader's.
WEIGHTS, EPOCH = 1, 2
# A check for a finite loss waits for the device: not at every step.
STEPS_BETWEEN_CHECKS = 50


class Training:
    """A training run that is stepped an epoch at a time and can be saved between epochs.

    All random numbers of an epoch (order, augmentation, dropout) are a function of the seed and
    the epoch, and torch's global generators are left as they were: so a run that is resumed goes
    on as if it had not stopped, bit for bit on a CPU with the same number of threads and workers.
    The memory format is channels-last: on 2 CPU cores small networks took 6 to 24 % less time
    with it on digits, and as long as without on Fashion-MNIST (``se_nas.nn.narrow`` keeps it safe
    for narrow ones). What concerns CUDA (autocast, gradient scaler, pinned memory) was not run on
    a GPU.

    Args:
        architecture: a name or a value.
        data: gives the classes and channels too.
        recipe: how to train.
        epochs: the whole budget, which fixes the learning rate of every step.
        seed: of weights and batches.
        device: CUDA where there is a GPU, if not given.
        workers: processes that decode image files; see ``train_loader``.
        init: weights of the trunk without SE, in our keys, that the network starts from; what it
            has beside them, SE blocks and a classifier of other classes, starts afresh.

    Attributes:
        model: the network, in training mode between epochs.
        epochs_done: epochs behind it.
        unpreserved: SE blocks without an exact function-preserving start (``init_identity``).

    Raises:
        InputError: a name, a number of epochs or a seed that is not allowed.
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
        self.data, self.recipe = data, recipe
        more = Augmentation(recipe.rand_augment, recipe.cutout, recipe.erasing)
        self.train_images = data.augmented(more)
        self.val_losses: list[float] = []
        self.epochs, self.seed = whole("epochs", epochs, 1), whole("seed", seed, 0)
        self.device = default_device() if device is None else torch.device(device)
        self.workers = workers
        self.epochs_done = 0
        with self._random(0, WEIGHTS):
            self.model = materialize(
                architecture, num_classes=data.num_classes, in_channels=data.in_channels
            )
        if init is not None:  # before SE blocks double what is beside them
            self.model.load_state_dict({**self.model.state_dict(), **init})
        self.unpreserved = init_identity(self.model) if recipe.se_init == "identity" else []
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network: nn.Module = self.model  # what a training step calls
        self.optimizer = make_optimizer(self.model, recipe)
        self.average: AveragedModel | None = None
        if recipe.ema:
            moving = moving_average(recipe.ema)
            self.average = AveragedModel(self.model, avg_fn=moving, use_buffers=True)
        self.amp_dtype = amp_dtype(recipe, self.device)
        self.scaler = torch.amp.GradScaler("cuda", enabled=self.amp_dtype == torch.float16)

    @property
    def finished(self) -> bool:
        """Whether the budget is spent."""
        return self.epochs_done >= self.epochs

    def epoch(self) -> EpochMetrics:
        """Train on all training images once, then validate.

        Raises:
            NonFiniteLoss: the training or the validation loss is infinite or not a number.
            RuntimeError: the budget is spent.
        """
        if self.finished:
            raise RuntimeError(f"all {self.epochs} epochs are done")
        start = time.perf_counter()
        train_loss = self._train()
        self.epochs_done += 1
        val = self._evaluate(self.data.val)
        self.val_losses.append(val.loss)
        if not math.isfinite(val.loss):
            raise NonFiniteLoss(self.epochs_done, "validation")
        rate = float(self.optimizer.param_groups[0]["lr"])
        seconds = time.perf_counter() - start
        return EpochMetrics(
            self.epochs_done,
            train_loss,
            val.loss,
            val.accuracy,
            seconds,
            rate,
            **val.shares(),
        )

    def test(self) -> Metrics:
        """Evaluate on the official test part: once, at the end, for a chosen network."""
        return self._evaluate(self.data.test)

    @property
    def result(self) -> Model:
        """The network that is validated, tested and kept: the moving average, if there is one."""
        return self.model if self.average is None else cast(Model, self.average.module)

    def weights(self) -> Mapping[str, Tensor]:
        """Return the weights of ``result``: the live tensors."""
        return self.result.state_dict()

    def close(self) -> bool:
        """Nothing is left to end: True."""
        return True

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on: tensors and plain values, for ``torch.save``.

        The tensors are the live ones: save them or copy them before the next epoch. There are no
        generators' states, since each epoch seeds them anew.
        """
        return {
            **self._identity(),
            "epochs_done": self.epochs_done,
            "val_losses": self.val_losses,
            "model": self.model.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state`` was taken.

        Raises:
            InputError: it is of a run with another architecture, data, recipe, budget or seed.
        """
        recipe = asdict(Recipe.from_dict(state.get("recipe", {})))
        pairs = [(f, state.get(f), v) for f, v in self._identity().items() if f != "recipe"]
        pairs += [(f"recipe.{f}", recipe[f], v) for f, v in asdict(self.recipe).items()]
        for field, before, now in pairs:
            if before != now:
                raise InputError(
                    f"{field} of the saved run is {before!r}, of this run {now!r}; "
                    "a run can only go on with the settings that it began with"
                )
        self.val_losses = list(state.get("val_losses", []))
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.epochs_done = state["epochs_done"]

    def _evaluate(self, images: Images) -> Metrics:
        return self._tally(images).metrics()

    def _tally(self, images: Images) -> Tally:
        return tally(self.result, self._eval_loader(images), self.device)

    def _eval_loader(self, images: Images) -> DataLoader[Batch]:
        # Twice a training batch without gradients takes less memory than training does.
        size = 2 * self.recipe.batch_size
        return eval_loader(images, size, device=self.device, workers=self.workers)

    def _identity(self) -> dict[str, Any]:
        return {
            "architecture": str(self.model.architecture),
            "data": self.data.summary(),
            "recipe": asdict(self.recipe),
            "epochs": self.epochs,
            "seed": self.seed,
        }

    def _train_loader(self) -> DataLoader[Batch]:
        return train_loader(
            self.train_images,
            self.recipe.batch_size,
            seed=self.seed,
            epoch=self.epochs_done,
            device=self.device,
            workers=self.workers,
            balanced=self.recipe.balanced,
        )

    def _mean(self, total: Tensor, images: int) -> float:
        return float(total) / images

    def _train(self) -> float:
        epoch = self.epochs_done
        loader = self._train_loader()
        self.model.train()
        if epoch >= self.epochs - min(self.recipe.frozen_norm_epochs, self.epochs // 2):
            freeze_norms(self.model)
        self._drops = plateaus(self.val_losses, self.recipe.patience)
        loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        images = 0
        with self._random(epoch, EPOCH):
            for i, (images_nchw, labels) in enumerate(loader, start=1):
                self._set_learning_rate(epoch + i / len(loader))
                loss_sum += self._step(*to_device(images_nchw, labels, self.device)) * len(labels)
                images += len(labels)
                if i % STEPS_BETWEEN_CHECKS == 0 or i == len(loader):
                    loss = self._mean(loss_sum, images)
                    if not math.isfinite(loss):
                        raise NonFiniteLoss(epoch + 1)
        return loss

    def _step(self, x_nchw: Tensor, labels: Tensor) -> Tensor:
        x_nchw, targets = mixed(self.recipe, x_nchw, labels, self.data.num_classes)
        with torch.autocast("cuda", self.amp_dtype, enabled=self.amp_dtype is not None):
            logits = self.network(x_nchw)
        loss = loss_of(self.recipe, logits.float(), targets)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update_parameters(self.model)
        return loss.detach()

    def _set_learning_rate(self, epochs_done: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe, epochs_done, self.epochs, self._drops)

    @contextmanager
    def _random(self, epoch: int, stream: int) -> Iterator[None]:
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(mixed_seed(self.seed, epoch, stream))
            yield
