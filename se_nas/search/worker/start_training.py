"""Starts of a training: in this process, in one process a GPU, or by a user's function."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

import torch
from torch import Tensor

from se_nas.architecture.architecture import Architecture
from se_nas.data import Data, ImageShape
from se_nas.errors import InputError
from se_nas.search.config import TrialSettings
from se_nas.search.worker.custom_training import CustomTraining
from se_nas.search.worker.data import loader_workers
from se_nas.search.worker.device import device
from se_nas.search.worker.shared_data import SharedData, init_of
from se_nas.training.custom import Resources, TrainFunction, load_train_file
from se_nas.training.evaluation import Metrics
from se_nas.training.train import Training

if TYPE_CHECKING:
    from se_nas.search.worker.process_group import RankActors


class Epoch(Protocol):
    """The result of one epoch of a training."""

    @property
    def epoch(self) -> int: ...
    @property
    def val_acc(self) -> float: ...
    def curve(self) -> dict[str, float]: ...


class AnyTraining(Protocol):
    """A training as a worker uses it: ``Training``, or ``CustomTraining`` of a user's function.

    ``epoch`` returns None where a training ended before its budget.
    """

    @property
    def unpreserved(self) -> Sequence[object]: ...
    @property
    def finished(self) -> bool: ...
    def epoch(self) -> Epoch | None: ...
    def test(self) -> Metrics: ...
    def weights(self) -> Mapping[str, Tensor] | None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> None: ...
    def close(self) -> bool: ...


class Options(TypedDict):
    """Keyword arguments of ``Training``."""

    epochs: int
    seed: int
    device: str
    workers: int
    init: Mapping[str, Tensor] | None


def training_options(
    data: Data, settings: TrialSettings, shared: SharedData | None = None
) -> Options:
    """Return the options of a training: the same in each of its processes."""
    return {
        "epochs": settings.epochs,
        "seed": settings.seed,
        "device": device(settings.on_gpu),
        "workers": loader_workers(data, settings.threads),
        "init": init_of(shared),
    }


def start_ranks(settings: TrialSettings) -> RankActors | None:
    """Return the processes beside this one; None if there are none.

    A worker with one GPU imports nothing of process groups.
    """
    if settings.processes == 1:
        return None
    from se_nas.search.worker.process_group import RankActors

    return RankActors(settings)


def start_training(
    architecture: Architecture,
    data: ImageShape,
    settings: TrialSettings,
    ranks: RankActors | None,
    shared: SharedData | None,
    *,
    checkpoint: Path | None = None,
    final: bool = False,
) -> AnyTraining:
    """Begin a training.

    Args:
        ranks: the processes that take part in it, if any.
        shared: the data in Ray's object store, for the ranks; None sends them ``data``.
        checkpoint: folder of a user's training, for its own checkpoints.
        final: whether the network is to be tested.
    """
    if shared is not None and shared.train is not None:
        return start_custom(architecture, data, settings, shared, checkpoint, final)
    if not isinstance(data, Data):
        raise InputError(f"data is {data.summary()}, without images; only train= brings its own")
    if ranks is None:
        options = training_options(data, settings, shared)
        return Training(architecture, data, settings.recipe, **options)
    return ranks.start_training(architecture, data, settings, shared)


def start_custom(
    architecture: Architecture,
    data: ImageShape,
    settings: TrialSettings,
    shared: SharedData,
    checkpoint: Path | None,
    final: bool,
) -> CustomTraining:
    """Begin a training by the user's function."""
    train = shared.train
    assert train is not None, "start_training asks for it"
    if checkpoint is not None and checkpoint.parent.is_dir():
        checkpoint.mkdir(exist_ok=True)
    where = device(settings.on_gpu)
    resources = Resources(
        device=where,
        threads=settings.threads,
        gpus=torch.cuda.device_count() if where == "cuda" else 0,
        seed=settings.seed,
        epochs=settings.epochs,
        data=data if isinstance(data, Data) else None,
        checkpoint=checkpoint if checkpoint is not None and checkpoint.is_dir() else None,
        final=final,
    )
    return CustomTraining(
        _function_in(train) if isinstance(train, str) else train,
        architecture,
        resources,
        needed=shared.needed,
        num_classes=data.num_classes,
        in_channels=data.in_channels,
    )


@functools.cache
def _function_in(path: str) -> TrainFunction:
    """Load a training function once in each worker: its file may read its own images."""
    return load_train_file(path)
