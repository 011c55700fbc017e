"""The Optuna study of a run: storage, sampler, directions."""

from __future__ import annotations

from collections.abc import Callable

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage

from se_nas.data.loaders import mixed_seed
from se_nas.errors import InputError
from se_nas.search.directory import RunDirectory
from se_nas.search.journal import BatchedJournal
from se_nas.search.settings import RunConfig
from se_nas.search.storage import check_url
from se_nas.space import Space

# Samplers learn from a share of the budget's trials: their defaults (10 random trials, populations
# of 50) are most of a small search. TPE is multivariate and counts running trials against a repeat.
BUILD_SAMPLER: dict[str, Callable[[int, int], BaseSampler]] = {
    "tpe": lambda seed, trials: TPESampler(seed=seed, n_startup_trials=_part(trials, 4, 5, 10)),
    "random": lambda seed, _: RandomSampler(seed=seed),
    "nsga2": lambda seed, trials: NSGAIISampler(seed=seed, population_size=_part(trials, 5, 4, 50)),
}


def _part(trials: int, share: int, least: int, most: int) -> int:
    return max(least, min(most, trials // share))


def create(
    space: Space, config: RunConfig, run: RunDirectory, *, resume: bool = False
) -> optuna.Study:
    """The study in the run directory, or at the storage URL that the user gave.

    Args:
        resume: take up the study that is there; the sampler's random numbers are others then, since
            the first ones would only repeat the first proposals.

    Raises:
        InputError: the storage cannot be opened, or a new run's has a study of this name.
    """
    if config.storage is not None:
        check_url(config.storage)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = _storage(config, run)
        name = config.name or run.path.name  # the folder may have been moved
        opened = optuna.create_study(
            study_name=name,
            storage=storage,
            sampler=BUILD_SAMPLER[config.sampler](config.seed, config.trials),
            directions=[objective.direction for objective in space.objectives],
            load_if_exists=resume,
        )
        asked = len(opened.get_trials(deepcopy=False)) if resume else 0
        if asked:
            seed = mixed_seed(config.seed, asked) % 2**32
            opened.sampler = BUILD_SAMPLER[config.sampler](seed, config.trials)
        return opened
    except optuna.exceptions.DuplicatedStudyError:
        raise InputError(
            f"the storage {config.storage!r} has a study {name!r}; give another --name"
        ) from None
    except Exception as error:  # the drivers behind a URL raise many types
        reason = str(error).splitlines()[0]
        raise InputError(f"storage {config.storage!r} cannot be opened: {reason}") from None


def _storage(config: RunConfig, run: RunDirectory) -> BaseStorage:
    if config.storage is None:
        return JournalStorage(BatchedJournal(str(run.journal)))
    return optuna.storages.get_storage(config.storage)
