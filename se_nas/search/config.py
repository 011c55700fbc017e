"""What a search is asked to do: one frozen value from the command line to the worker."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from se_nas.errors import InputError, unknown
from se_nas.latency.settings import LatencySettings
from se_nas.training.recipes import RECIPES, Recipe

# A trial whose workers or nodes die goes on so many times; then it is lost.
MAX_DEATHS = 3

T = TypeVar("T")
HIDDEN = "***"  # in the place of a password
SAMPLERS = ("tpe", "random", "nsga2", "grid")


@dataclass(frozen=True)
class DataSettings:
    """Which images a trial trains on; enough for a worker to load them itself.

    Attributes:
        name: a name in ``se_nas.data.DATASETS``, the path of a Python file that defines a data
            set, or another name: then it was given as a Python object.
        folder: where its files are; None for embedded data.
        image_size: side in pixels, None for the data set's own.
        val_images: images cut from train for validation; None for a fifth of them.
        limit_train: train on so many images only; None for all.
    """

    name: str = "digits"
    folder: str | None = None
    image_size: int | None = None
    val_images: int | None = None
    limit_train: int | None = None

    @property
    def title(self) -> str:
        """A short name, fit for a file: of a path its last part."""
        return Path(self.name).stem if self.name.endswith(".py") else self.name


@dataclass(frozen=True)
class SearchConfig:
    """Everything that a search run depends on beside its space.

    Attributes:
        data, recipe: the images of every trial, and how it trains on them.
        train: a Python file with a training function in place of the recipe, or the name of one
            that was given as a Python object.
        trials: distinct architectures to train; duplicates and rejected proposals are free.
        epochs: budget of one trial.
        first_rung: share of the budget before which no trial is stopped early; 1 never stops.
        gpus: GPUs to use in the whole cluster, 0 for CPU only, None for all that are there.
        gpus_per_trial: a fraction packs trials on one device; a whole number above 1 trains each
            trial on so many, with slices of every batch.
        cpus_per_trial: a trial's share; None for 1 on CPUs, an equal share beside GPUs.
        concurrency: trials at once, None for as many as the resources hold.
        sampler: ``tpe``, ``random``, ``nsga2``, ``grid``, or the import path of an Optuna sampler.
        enqueue: names of networks to try first.
        seed: of the sampler, the split and every trial.
        storage: URL of the study's database; None keeps it in a journal in the run directory.
        top: how many of the best are retrained.
        final_seeds: seeds of each retraining.
        final_epochs: budget of a retraining, None for ``epochs``.
        max_failed_share: a search in which more of the trials fail than that stops.
        name: of the run and its study; None makes one of the space, the data and the time.
        out: folder of the runs.
        address: a running Ray cluster; None starts one on this machine.
        latency: how ``latency_ms`` is measured, if the space asks for it.
        dashboard: start Ray's with a cluster of our own.
        dashboard_host: where the dashboard of a cluster of our own listens; None for loopback.
        tensorboard: write a TensorBoard run for every trial.
    """

    data: DataSettings = field(default_factory=DataSettings)
    recipe: Recipe = RECIPES["search"]
    train: str | None = None
    trials: int = 20
    epochs: int = 8
    first_rung: float = 0.5
    gpus: int | None = None
    gpus_per_trial: float = 1.0
    cpus_per_trial: float | None = None
    concurrency: int | None = None
    sampler: str = "tpe"
    enqueue: tuple[str, ...] = ()
    seed: int = 0
    storage: str | None = None
    top: int = 3
    final_seeds: int = 3
    final_epochs: int | None = None
    max_failed_share: float = 0.5
    name: str | None = None
    out: str = "runs"
    address: str | None = None
    dashboard: bool = True
    latency: LatencySettings = field(default_factory=LatencySettings)
    dashboard_host: str | None = None
    tensorboard: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "enqueue", tuple(self.enqueue))  # a list in JSON
        for name in ("trials", "epochs", "top", "final_seeds"):
            _at_least(name, getattr(self, name), 1)
        for name in ("concurrency", "final_epochs"):
            if getattr(self, name) is not None:
                _at_least(name, getattr(self, name), 1)
        if self.gpus is not None:
            _at_least("gpus", self.gpus, 0)
        for name in ("gpus_per_trial", "cpus_per_trial"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value}; give a number above 0, such as 0.25 or 1")
        if self.gpus_per_trial > 1 and self.gpus_per_trial != int(self.gpus_per_trial):
            raise InputError(
                f"gpus_per_trial is {self.gpus_per_trial:g}; give a whole number of GPUs, or a "
                "fraction below 1 to pack several trials on one"
            )
        if self.gpus == 0 and self.gpus_per_trial > 1:
            raise InputError(
                f"gpus is 0, but gpus_per_trial is {self.gpus_per_trial:g}: a trial on CPUs is one "
                "process; leave one of them out"
            )
        if self.dashboard_host is not None and self.address is not None:
            raise InputError(
                f"dashboard_host is {self.dashboard_host!r}, but the dashboard of a running "
                "cluster listens where `ray start --dashboard-host` says; leave one of them out"
            )
        if not 0 < self.first_rung <= 1:
            raise InputError(f"first_rung is {self.first_rung}; give a share of epochs in (0, 1]")
        if not 0 < self.max_failed_share <= 1:
            raise InputError(
                f"max_failed_share is {self.max_failed_share}; give a share in (0, 1], 1 to go on"
            )
        if self.sampler not in SAMPLERS and not re.search("[.:]", self.sampler):
            raise unknown("sampler", self.sampler, SAMPLERS)
        if self.name is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.name):
            raise InputError(
                f"name is {self.name!r}; a run's name is no path: use letters, digits, . _ and -, "
                "and give the folder with --out"
            )

    @property
    def processes(self) -> int:
        """Processes of a trial, one a GPU, each with a slice of every batch.

        A user's own training is one process with all its GPUs.
        """
        return max(1, int(self.gpus_per_trial)) if self.train is None else 1

    def to_dict(self) -> dict[str, Any]:
        """All settings as JSON values; a password in the storage URL is left out."""
        return asdict(self) | {"storage": self.storage and without_password(self.storage)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SearchConfig:
        """The settings of ``to_dict``; those that it lacks have their defaults.

        Raises:
            InputError: a setting that this version does not know, or a value that is not allowed.
        """
        inner: dict[str, type[Any]] = {"data": DataSettings, "latency": LatencySettings}
        changed: dict[str, Any] = {}
        try:
            for name, kind in inner.items():
                if name in data:
                    changed[name] = _known(kind, data[name])
            if "recipe" in data:
                changed["recipe"] = Recipe.from_dict(data["recipe"])
            return _known(cls, {**data, **changed})
        except TypeError as error:
            raise InputError(f"the settings of a run cannot be read: {error}") from None


@dataclass(frozen=True)
class TrialSettings:
    """What a worker needs beside the architecture: the same for every trial of a run.

    Attributes:
        on_gpu: train on the GPU that was reserved. Logical GPUs have no device: then on the CPU,
            and the search says so.
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


def _known(kind: type[T], values: Mapping[str, Any]) -> T:
    allowed = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    for name in values:
        if name not in allowed:
            raise unknown("setting", name, allowed, "; another version wrote it")
    return kind(**values)


def without_password(url: str) -> str:
    """A storage URL that may be shown.

    >>> without_password("mysql://me:secret@host/db"), without_password("sqlite:///study.db")
    ('mysql://me:***@host/db', 'sqlite:///study.db')
    """
    url = re.sub(r"(://[^:/@]*):[^@]*@", rf"\1:{HIDDEN}@", url)
    return re.sub(r"([?&]password=)[^&]*", rf"\1{HIDDEN}", url)


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise InputError(f"{name} is {value}; give at least {least}")
