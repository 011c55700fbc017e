"""Begin a training as its settings say: in this process, or in one for each GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from se_nas.architecture.architecture import Architecture
from se_nas.data import Data
from se_nas.search.config import TrialSettings
from se_nas.search.worker.data import loader_workers
from se_nas.search.worker.device import device
from se_nas.search.worker.shared_data import SharedData
from se_nas.training.train import Training

if TYPE_CHECKING:
    from se_nas.search.worker.process_group import RankActors


class Options(TypedDict):
    """What ``Training`` takes by name."""

    epochs: int
    seed: int
    device: str
    workers: int


def training_options(data: Data, settings: TrialSettings) -> Options:
    """Return the options of a training: the same in each of its processes."""
    return {
        "epochs": settings.epochs,
        "seed": settings.seed,
        "device": device(settings.on_gpu),
        "workers": loader_workers(data, settings.threads),
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
    data: Data,
    settings: TrialSettings,
    ranks: RankActors | None,
    shared: SharedData | None,
) -> Training:
    """Begin a training.

    Args:
        ranks: take part in it, if given.
        shared: what they get their data from; None sends them ``data``.
    """
    if ranks is None:
        options = training_options(data, settings)
        return Training(architecture, data, settings.recipe, **options)
    return ranks.start_training(architecture, data, settings, shared)
