"""One retraining, as a worker runs it; nothing is imported here that a node need not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from se_nas.arch import Architecture
from se_nas.search.finals import Retrained
from se_nas.search.memory import is_out_of_memory
from se_nas.search.settings import TrialSettings
from se_nas.search.sharing import SharedData
from se_nas.search.trial import device, load_data, loader_workers
from se_nas.train import NonFiniteLoss, Training


@dataclass(frozen=True)
class FinalRun:
    """What a worker sends back: the driver makes safetensors of it, which workers have not.

    Attributes:
        result: without the weights.
        state: those, on the CPU; None if the run is not complete.
        num_classes, in_channels: of the network.
    """

    result: Retrained
    state: Mapping[str, Tensor] | None = None
    num_classes: int = 0
    in_channels: int = 0


def train_and_test(
    architecture: str, settings: TrialSettings, data_seed: int, images: SharedData | None = None
) -> FinalRun:
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
            from se_nas.search.peers import LedTraining, Peers

            peers = Peers(settings)
            make, options = LedTraining, options | {"peers": peers, "shared": images}
        training = make(Architecture.from_json(architecture), data, settings.recipe, **options)
        for _ in range(settings.epochs):
            metrics = training.epoch()
        test = training.test()
    except NonFiniteLoss:
        return FinalRun(Retrained("diverged"))
    except Exception as error:
        memory = is_out_of_memory(error)
        return FinalRun(Retrained("out of memory" if memory else failed(error)))
    finally:
        if peers is not None:
            peers.close()
    return FinalRun(
        Retrained("complete", metrics.val_acc, metrics.val_loss, test.accuracy),
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
