"""``SearchConfig``: all settings of a run, and reading them from options or JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

from se_nas.checked_settings import CheckedSettings
from se_nas.data_settings import DataSettings
from se_nas.errors import InputError, unknown
from se_nas.files import expand_home
from se_nas.latency.settings import LatencySettings
from se_nas.settings import (
    absolute_if_python,
    absolute_path,
    absolute_unless_torchvision,
    by_option,
    check_run_name,
    group,
    setting,
    with_options,
)
from se_nas.texts import HIDDEN, is_utf8, without_password
from se_nas.training.recipe import Recipe
from se_nas.training.recipes import RECIPES
from se_nas.values import whole

T = TypeVar("T")
TRIALS_IN_TIME = 100_000  # no limit, where hours are one
MOST_HOURS = 8_760  # a year
SAMPLERS = ("additive", "tpe", "random", "nsga2", "grid")
# Field names of earlier versions.
OLD_NAMES = {"data": {"folder": "data_dir"}}


def _absolute_if_path(space: str) -> str:
    from se_nas.space.space_files import is_path  # late: ``--help`` reads this module

    return absolute_path(space) if is_path(space) else space


def _expand_sqlite(url: str) -> str:
    """Return a storage URL; of SQLite's, ``sqlite:///~/study.db`` is in the home folder."""
    head, slashes, path = url.partition(":///")
    return f"{head}{slashes}{expand_home(path)}" if head.startswith("sqlite") else url


@dataclass(frozen=True)
class SearchConfig(CheckedSettings):
    """All settings of a search run.

    A setting is written here and nowhere else: the command line, files of settings, what a resumed
    run may change and what drivers share are made from these fields.
    """

    space: str | None = setting(
        None,
        "A space in search_spaces/, or a path to a file.",
        "space and sampling",
        "apart",
        convert=_absolute_if_path,
    )
    data: DataSettings = group(DataSettings())
    recipe: Recipe = setting(
        RECIPES["search"], f"How to train: {', '.join(RECIPES)}.", "training", named=RECIPES
    )
    trials: int = setting(
        20,
        "Distinct architectures to train; rejected and repeated proposals are free.",
        "space and sampling",
        "may change",
        shared=True,
    )
    hours: float | None = setting(
        None,
        "Time for all of it, in place of a number of trials.",
        "space and sampling",
        "may change",
    )
    # Or the name of a function that was given as a Python object.
    train: str | None = setting(
        None,
        "A Python file that defines train(architecture, report, resources), in place of a recipe.",
        "training",
        convert=absolute_if_python,
    )
    init: str | None = setting(
        None,
        "Weights of the trunk that trainings start from: a file, or torchvision:NAME.",
        "training",
        convert=absolute_unless_torchvision,
    )
    epochs: int = setting(8, "Epochs of a trial.", "training")
    first_rung: float = setting(
        0.5, "Share of the epochs before the first early stop; 1: never stop.", "training"
    )
    gpus: int | None = setting(
        None,
        "GPUs to use in the whole cluster, 0: CPUs only [default: all there are].",
        "resources",
        "may change",
    )
    gpus_per_trial: float = setting(
        1.0,
        "A fraction packs trials on one GPU; a whole number trains each trial on so many.",
        "resources",
        "may change",
        shared=True,
    )
    cpus_per_trial: float | None = setting(
        None,
        "May be a fraction [default: 1, or an equal share beside GPUs].",
        "resources",
        "may change",
    )
    concurrency: int | None = setting(
        None, "Trials at once [default: what the resources hold].", "resources", "may change"
    )
    sampler: str = setting(
        "additive",
        f"{', '.join(SAMPLERS)}, or the import path of an Optuna sampler.",
        "space and sampling",
    )
    enqueue: tuple[str, ...] = setting(
        (), "A network to try first, by name; repeatable.", "space and sampling"
    )
    seed: int = setting(0, "Of the sampler, the split and the trials.", "space and sampling")
    storage: str | None = setting(
        None,
        "Optuna storage URL of the study [default: a journal in the run].",
        "results",
        "may change",
        convert=_expand_sqlite,
    )
    top: int = setting(3, "How many of the best are retrained.", "results", "may change")
    final_seeds: int = setting(
        3, "Seeds of each retraining that is not dropped before.", "results", "may change"
    )
    final_runs: int | None = setting(
        None,
        "Retrainings in all: seeds go on where they decide [default: `final_seeds` each].",
        "results",
        "may change",
    )
    final_epochs: int | None = setting(
        None, "Epochs of a retraining [default: a trial's].", "results", "may change"
    )
    max_failed_share: float = setting(
        0.5, "Stop when more of the trials fail than that.", "training", "may change"
    )
    name: str | None = setting(
        None,
        "Name of the run and its study [default: of space, data and time].",
        "results",
        "apart",
    )
    out: str = setting("runs", "Folder of the runs.", "results", "apart", convert=expand_home)
    address: str | None = setting(
        None, "A running Ray cluster, or auto [default: start one here].", "resources", "may change"
    )
    dashboard: bool = setting(
        True, "Start the Ray dashboard with a cluster of our own.", "resources", "may change"
    )
    dashboard_host: str | None = setting(
        None,
        "Address that this dashboard listens on [default: 127.0.0.1].",
        "resources",
        "may change",
    )
    latency: LatencySettings = group(LatencySettings(), prefix="latency_")
    tensorboard: bool = setting(
        False, "Write a TensorBoard run for every trial.", "results", "may change"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "out", expand_home(self.out))
        for name in ("trials", "epochs", "top", "final_seeds"):
            self._read_whole(name, 1)
        for name in ("concurrency", "final_epochs", "final_runs"):
            if getattr(self, name) is not None:
                self._read_whole(name, 1)
        if self.gpus is not None:
            self._read_whole("gpus", 0)
        self._read_whole("seed", 0, 2**32 - 1)
        for name in ("gpus_per_trial", "cpus_per_trial", "hours"):
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
        if self.hours is not None and self.hours > MOST_HOURS:
            raise InputError(f"hours is {self.hours:g}; give a number of at most {MOST_HOURS:,}")
        if not 0 < self.first_rung <= 1:
            raise InputError(f"first_rung is {self.first_rung}; give a share of epochs in (0, 1]")
        if not 0 < self.max_failed_share <= 1:
            raise InputError(
                f"max_failed_share is {self.max_failed_share}; give a share in (0, 1], 1 to go on"
            )
        if self.sampler not in SAMPLERS and not re.search("[.:]", self.sampler):
            raise unknown("sampler", self.sampler, SAMPLERS)
        check_run_name(self.name)

    def _read_whole(self, name: str, least: int, most: int | None = None) -> None:
        object.__setattr__(self, name, whole(name, getattr(self, name), least, most))

    @property
    def processes(self) -> int:
        """Processes of a trial, one a GPU, each with a slice of every batch.

        A user's own training is one process with all its GPUs.
        """
        return max(1, int(self.gpus_per_trial)) if self.train is None else 1

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as JSON values; a password in the storage URL is left out."""
        return asdict(self) | {"storage": self.storage and without_password(self.storage)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SearchConfig:
        """Read the settings of ``to_dict``; those that are missing have their defaults.

        Raises:
            InputError: a setting that this version does not know, or a value that is not allowed.
        """
        inner: dict[str, type[Any]] = {"data": DataSettings, "latency": LatencySettings}
        changed: dict[str, Any] = {}
        try:
            for name, kind in inner.items():
                if name in data:
                    old = OLD_NAMES.get(name, {})
                    values = {old.get(key, key): value for key, value in data[name].items()}
                    changed[name] = _known(kind, values)
            if "recipe" in data:
                changed["recipe"] = Recipe.from_dict(data["recipe"])
            return _known(cls, {**data, **changed})
        except (AttributeError, TypeError) as error:
            raise InputError(f"the settings of a run cannot be read: {error}") from None


def config_from_options(
    values: Mapping[str, Any], default: SearchConfig | None = None
) -> SearchConfig:
    """Return the settings given by the names of their options; ``default`` has the others.

    Args:
        values: ``{"data": "cifar10", "latency_batch": 8}``; a recipe is a name, a ``Recipe`` or
            a mapping of its fields. Paths become absolute.

    Raises:
        InputError: an unknown name, a value of another type, or one that is not allowed.
    """
    default = default or SearchConfig()
    config = with_options(default, values)
    if config.hours is not None and values.get("trials") is None and default.hours is None:
        config = replace(config, trials=TRIALS_IN_TIME)
    for name, value in by_option(config).items():
        if isinstance(value, str) and not is_utf8(value):  # Ray takes no other
            raise InputError(f"`{name}` is {value!r}, which is not UTF-8; rename it")
    if config.storage is not None and HIDDEN in config.storage:
        raise InputError(
            f"storage is {config.storage!r}, without its password, which is not kept: give "
            "`storage` with it"
        )
    return config


def check_new_run(options: Mapping[str, Any]) -> None:
    """Refuse the options of a new run with a training of the user's and no data.

    Raises:
        InputError: the networks would be priced on the images of the default.
    """
    if options.get("train") is not None and options.get("data") is None:
        raise InputError(
            "`train` is given without `data`, by which networks are built and priced; give a name, "
            "your own FILE.py, or se_nas.data.ImageShape(…)"
        )


def _known(kind: type[T], values: Mapping[str, Any]) -> T:
    allowed = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    for name in values:
        if name not in allowed:
            raise unknown("setting", name, allowed, "; another version wrote it")
    return kind(**values)
