"""One retraining, as a worker runs it; nothing is imported here that a node need not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from se_nas.architecture.architecture import Architecture
from se_nas.search.config import TrialSettings
from se_nas.search.worker.data import load_data, loader_workers
from se_nas.search.worker.device import device
from se_nas.search.worker.out_of_memory import is_out_of_memory
from se_nas.search.worker.shared_data import SharedData
from se_nas.training.train import NonFiniteLoss, Training


@dataclass(frozen=True)
class RetrainPayload:
    """What a worker sends back: the driver makes safetensors of it, which workers have not.

    Attributes:
        result: without the weights.
        state: those, on the CPU; None if the run is not complete.
        num_classes, in_channels: of the network.
    """

    result: RetrainResult
    state: Mapping[str, Tensor] | None = None
    num_classes: int = 0
    in_channels: int = 0


def train_and_test(
    architecture: str, settings: TrialSettings, data_seed: int, images: SharedData | None = None
) -> RetrainPayload:
    """Train one network and test it once, on all processes that the settings name."""
    torch.set_num_threads(settings.threads)
    peers: Any = None
    try:
        data = load_data(settings.data, data_seed) if images is None else images.data()
        options: dict[str, Any] = {
            "epochs": settings.epochs,
            "seed": settings.seed,
            "device": device(settings.on_gpu),
            "workers": loader_workers(data, settings.threads),
        }
        make: Any = Training
        if settings.processes > 1:
            from se_nas.search.worker.process_group import RankActors, RankZeroTraining

            peers = RankActors(settings)
            make, options = RankZeroTraining, options | {"peers": peers, "shared": images}
        training = make(Architecture.from_json(architecture), data, settings.recipe, **options)
        for _ in range(settings.epochs):
            metrics = training.epoch()
        test = training.test()
    except NonFiniteLoss:
        return RetrainPayload(RetrainResult("diverged"))
    except Exception as error:
        memory = is_out_of_memory(error)
        return RetrainPayload(RetrainResult("out of memory" if memory else failed(error)))
    finally:
        if peers is not None:
            peers.close()
    return RetrainPayload(
        RetrainResult("complete", metrics.val_acc, metrics.val_loss, test.accuracy),
        {key: value.cpu() for key, value in training.model.state_dict().items()},
        data.num_classes,
        data.in_channels,
    )


def failed(error: object) -> str:
    """The end of a run that an error ended, in one line.

    >>> failed(ValueError("a bug\\nand more")), failed(KeyError())
    ('failed: a bug', 'failed: KeyError')
    """
    return f"failed: {first_line(error)}"


def first_line(error: object) -> str:
    """What an error says first, or its name if it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


@dataclass(frozen=True)
class RetrainResult:
    """One network trained with one seed; accuracies in [0, 1], weights as safetensors.

    ``end`` is ``complete``, or what went wrong; then the rest is of no meaning.
    """

    end: str
    val_acc: float = 0.0
    val_loss: float = 0.0
    test_acc: float = 0.0
    weights: bytes = b""
