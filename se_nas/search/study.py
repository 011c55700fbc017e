"""The Optuna study of a run: storage, sampler, directions."""

from __future__ import annotations

import optuna
from optuna.storages import BaseStorage, JournalStorage

from se_nas.data.loaders import mixed_seed
from se_nas.errors import InputError
from se_nas.search import results
from se_nas.search.directory import RunDirectory, shown
from se_nas.search.journal import BatchedJournal
from se_nas.search.samplers import build
from se_nas.search.settings import RunConfig, without_password
from se_nas.search.storage import check_url
from se_nas.search.telling import last_event
from se_nas.space import Space


def create(
    space: Space, config: RunConfig, run: RunDirectory, *, resume: bool = False
) -> optuna.Study:
    """The study in the run directory, or at the storage URL that the user gave.

    Args:
        resume: take up the study that is there; the sampler's random numbers are others then, since
            the first ones would only repeat the first proposals.

    Raises:
        InputError: the sampler cannot be made, the storage cannot be opened, or a new run's has a
            study of this name.
    """
    if config.storage is not None:
        check_url(config.storage)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = build(config.sampler, config.seed, config.trials)
    try:
        storage = _storage(config, run)
        name = config.name or run.path.name  # the folder may have been moved
        if resume and (run.path / results.FILE).exists():
            opened = optuna.load_study(study_name=name, storage=storage, sampler=sampler)
        else:
            opened = optuna.create_study(
                study_name=name,
                storage=storage,
                sampler=sampler,
                directions=[objective.direction for objective in space.objectives],
                load_if_exists=resume,  # a driver that was killed here
            )
        asked = len(opened.get_trials(deepcopy=False)) if resume else 0
        if asked:
            seed = mixed_seed(config.seed, asked) % 2**32
            opened.sampler = build(config.sampler, seed, config.trials)
        sessions = opened.user_attrs.get("sessions", [])
        began = {"events": last_event(opened), "trials": config.trials}
        opened.set_user_attr("sessions", [*sessions, began])
        return opened
    except optuna.exceptions.DuplicatedStudyError:
        raise InputError(
            f"the storage {_place(config, run)} has a study {name!r}; give another --name"
        ) from None
    except KeyError:
        raise InputError(
            f"the study {name!r} of the run {run.shown} is not in {_place(config, run)}; if it was "
            "moved, give its --storage"
        ) from None
    except Exception as error:  # the drivers behind a URL raise many types
        reason = str(error).partition("\n")[0]
        raise InputError(f"storage {_place(config, run)} cannot be opened: {reason}") from None


def read(config: RunConfig, run: RunDirectory) -> optuna.Study:
    """The study of a run that is there, to look at.

    Raises:
        InputError: it cannot be opened.
    """
    try:
        if config.storage is None and not run.journal.is_file():
            raise FileNotFoundError(f"{run.journal} is missing")
        return optuna.load_study(
            study_name=config.name or run.path.name, storage=_storage(config, run)
        )
    except Exception as error:  # the drivers behind a URL raise many types
        reason = str(error).partition("\n")[0]
        raise InputError(f"the study of {run.shown} cannot be opened: {reason}") from None


def _place(config: RunConfig, run: RunDirectory) -> str:
    """Where the study is, as it may be shown."""
    place = shown(run.journal) if config.storage is None else without_password(config.storage)
    return repr(place)


def _storage(config: RunConfig, run: RunDirectory) -> BaseStorage:
    if config.storage is None:
        return JournalStorage(BatchedJournal(str(run.journal)))
    return optuna.storages.get_storage(config.storage)
