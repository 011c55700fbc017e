"""The images of a trial, as a worker reads them."""

from __future__ import annotations

from dataclasses import asdict

from se_nas import data
from se_nas.search.config import DataSettings


def load_data(settings: DataSettings, seed: int) -> data.Data:
    """The images that the settings name."""
    return data.load(**asdict(settings), seed=seed)


def loader_workers(images: data.Data, threads: int) -> int:
    """Processes that decode image files for one trial: no more than its share of the CPUs."""
    return min(images.train.default_workers, threads)
