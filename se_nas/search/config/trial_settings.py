"""``TrialSettings``: the settings of a training, the same for every trial of a run."""

from __future__ import annotations

from dataclasses import dataclass

from se_nas.data_settings import DataSettings
from se_nas.search.config.search_config import SearchConfig
from se_nas.training.recipe import Recipe

# A trial whose workers or nodes die is taken up so many times; then it is lost.
MAX_DEATHS = 3


@dataclass(frozen=True)
class TrialSettings:
    """The settings of a worker beside the architecture: the same for every trial of a run.

    Attributes:
        on_gpu: train on the GPU that was reserved. A logical GPU has no device: the worker then
            trains on the CPU, and the search says so.
        checkpoints: folder of the trials' checkpoints; None saves none.
        processes: of a trial, one a GPU.
    """

    data: DataSettings
    recipe: Recipe
    epochs: int
    seed: int = 0
    on_gpu: bool = False
    threads: int = 1
    checkpoints: str | None = None
    processes: int = 1

    @classmethod
    def of(
        cls,
        config: SearchConfig,
        *,
        epochs: int,
        seed: int,
        gpus: float,
        cpus: float,
        processes: int,
        checkpoints: str | None = None,
    ) -> TrialSettings:
        """Return the settings of a training on ``gpus`` and ``cpus``, in so many processes."""
        return cls(
            config.data,
            config.recipe,
            epochs,
            seed,
            on_gpu=gpus > 0,
            threads=max(1, int(cpus / processes)),
            checkpoints=checkpoints,
            processes=processes,
        )
