"""One retraining, as a worker runs it; nothing is imported here that a node need not have."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from se_nas.architecture.architecture import Architecture
from se_nas.errors import described
from se_nas.search.config import TrialSettings
from se_nas.search.worker.custom_training import TrainMisuse, is_occupied
from se_nas.search.worker.data import worker_data
from se_nas.search.worker.out_of_memory import is_out_of_memory
from se_nas.search.worker.reports import End
from se_nas.search.worker.shared_data import SharedData
from se_nas.search.worker.start_training import start_ranks, start_training
from se_nas.space.objectives import SHARES
from se_nas.texts import first_line
from se_nas.training.epoch import NonFiniteLoss

if TYPE_CHECKING:
    from se_nas.search.worker.process_group import RankActors


@dataclass(frozen=True)
class RetrainResult:
    """One network trained with one seed; accuracies in [0, 1], weights as safetensors.

    Attributes:
        end: if it is not ``complete``, the metrics and the weights mean nothing.
        reason, traceback: of another end; the first in one line.
        misuse: it is the user's function that would end every other retraining the same way.
        more: further metrics in validation by name, and in the test with ``test_`` before it.
        curve: the metrics in validation of each epoch.
    """

    end: End
    val_acc: float = 0.0
    val_loss: float = 0.0
    test_acc: float = 0.0
    weights: bytes = b""
    reason: str = ""
    traceback: str = ""
    misuse: bool = False
    more: Mapping[str, float] = field(default_factory=dict)
    curve: Sequence[Mapping[str, float]] = ()

    def value(self, metric: str) -> float:
        """Return a metric, by a name as of an objective, or ``test_`` and that."""
        return float(self.more[metric] if metric in self.more else getattr(self, metric))


@dataclass(frozen=True)
class RetrainPayload:
    """A retraining as the worker sends it: the driver makes safetensors, which workers lack.

    Attributes:
        result: without the weights.
        state: the weights, on the CPU; None if the run is not complete or a user's gave none.
        num_classes, in_channels: of the network.
    """

    result: RetrainResult
    state: Mapping[str, Tensor] | None = None
    num_classes: int = 0
    in_channels: int = 0


def train_and_test(
    architecture: str, settings: TrialSettings, data_seed: int, images: SharedData | None = None
) -> RetrainPayload:
    """Train one network and test it once, on all processes that the settings name.

    A process in which a user's function still runs, of a retraining that diverged, is of no use: it
    ends here, where that retraining is told, and this one is started again in another process.
    """
    if is_occupied():
        os._exit(1)
    torch.set_num_threads(settings.threads)
    ranks: RankActors | None = None
    curve: list[dict[str, float]] = []
    try:
        data = worker_data(settings.data, data_seed, images)
        ranks = start_ranks(settings)
        training = start_training(
            Architecture.from_json(architecture), data, settings, ranks, images, final=True
        )
        while not training.finished:
            metrics = training.epoch()
            curve += [] if metrics is None else [metrics.curve()]
        test = training.test()
        weights = training.weights()
    except NonFiniteLoss as error:
        return RetrainPayload(RetrainResult("not_finite", reason=str(error)))
    except Exception as error:
        if is_out_of_memory(error):
            return RetrainPayload(RetrainResult("out_of_memory", reason=first_line(error)))
        return RetrainPayload(
            RetrainResult(
                "error",
                reason=described(error),
                traceback=traceback.format_exc(),
                misuse=isinstance(error, TrainMisuse),
            )
        )
    finally:
        if ranks is not None:
            ranks.close()
    last = curve[-1]
    more = {name: last[name] for name in SHARES if name in last and name != "val_acc"}
    more |= {f"test_{name}": value for name, value in test.shares().items()}
    more |= {} if isnan(test.loss) else {"test_loss": test.loss}
    return RetrainPayload(
        RetrainResult(
            "complete",
            last["val_acc"],
            last.get("val_loss", nan),
            test.accuracy,
            more=more,
            curve=tuple(curve),
        ),
        weights and {key: value.cpu() for key, value in weights.items()},
        data.num_classes,
        data.in_channels,
    )
