"""The Optuna study of a run: storage, sampler, directions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import optuna
from optuna.storages import BaseStorage, JournalStorage
from sqlalchemy.exc import SQLAlchemyError

from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Price
from se_nas.data.loaders import mixed_seed
from se_nas.errors import InputError
from se_nas.search.config import SearchConfig, without_password
from se_nas.search.run_dir.directory import RESULTS, RunDirectory, display_path
from se_nas.search.study.additive_sampler import AdditiveSampler
from se_nas.search.study.drivers import Drivers, driver_name, publish_metadata
from se_nas.search.study.initial_points import initial_points, parse_enqueued
from se_nas.search.study.journal import BatchedJournal
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.records import (
    SESSIONS,
)
from se_nas.search.study.samplers import Sampler, build_sampler
from se_nas.search.study.storage_errors import FULL, cannot_open, check_url
from se_nas.search.study.tell import last_event
from se_nas.space.space import Space
from se_nas.texts import first_line


def create_study(
    space: Space,
    config: SearchConfig,
    run: RunDirectory,
    *,
    resume: bool = False,
    sampler: Sampler | None = None,
) -> optuna.Study:
    """Make the study of a run or take it up, in its directory or at the user's storage URL.

    A study in a database gets its first driver, space and settings: other drivers may join it.

    Args:
        resume: take up the study that is there; the sampler's random numbers are others then, since
            the first ones would only repeat the first proposals.
        sampler: of a new study; made of the settings if not given.

    Raises:
        InputError: the sampler cannot be made, the storage cannot be opened, a new run's has a
            study of this name, or one that is joined has not.
    """
    if config.storage is not None:
        check_url(config.storage)
    joined = run.joined
    try:
        opened = _open(space, config, run, resume=resume)
    except InputError:
        raise
    except Exception as error:  # the drivers behind a URL raise many types
        raise _refused(config, run, error, resume=resume) from None
    try:
        asked = len(opened.get_trials(deepcopy=False)) if resume else 0
        own = driver_name(run).encode() if joined else b""  # at random
        seed = config.seed
        if asked or own:
            seed = mixed_seed(config.seed, asked, *own) % 2**32
        if sampler is None or seed != config.seed:
            sampler = build_sampler(config.sampler, seed, config.trials)
        opened.sampler = sampler
        if config.storage is not None and not joined:
            publish_metadata(opened, space, config, run)
        # Each driver writes what is its own: no two write the same attribute.
        key = f"{SESSIONS} {driver_name(run)}" if joined else SESSIONS
        began = {"events": last_event(opened), "trials": config.trials, "seed": seed}
        opened.set_user_attr(key, [*opened.user_attrs.get(key, []), began])
        return opened
    except (OSError, SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise _refused(config, run, error, resume=resume) from None


def _refused(
    config: SearchConfig, run: RunDirectory, error: Exception, *, resume: bool
) -> Exception:
    """Return the error of a storage that cannot be used, as it is to be raised."""
    if resume and isinstance(error, OSError) and error.errno in FULL:
        return error  # what was told is safe, and the run's own line says so
    return InputError(cannot_open(_place(config, run), error))


def _open(space: Space, config: SearchConfig, run: RunDirectory, *, resume: bool) -> optuna.Study:
    name = config.name or run.path.name  # the folder may have been moved
    storage = _storage(config, run)
    try:
        if run.joined or (resume and (run.path / RESULTS).exists()):
            return optuna.load_study(study_name=name, storage=storage)
        with quiet_optuna():
            return optuna.create_study(
                study_name=name,
                storage=storage,
                directions=[objective.direction for objective in space.objectives],
                load_if_exists=resume,  # a driver that was killed here
            )
    except optuna.exceptions.DuplicatedStudyError:
        raise InputError(
            f"the storage {_place(config, run)} has a study {name!r}: add --join to work on it "
            "beside the driver that began it, finish it with --resume RUN where its run is, or "
            "give another `name`"
        ) from None
    except KeyError:
        raise InputError(
            f"the study {name!r} of the run {run.shown} is not in {_place(config, run)}; if it was "
            "moved, give its `storage`"
        ) from None


def read_study(config: SearchConfig, run: RunDirectory) -> optuna.Study:
    """Open the study of an existing run for reading.

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
        reason = first_line(error)
        raise InputError(
            f"the study of {run.shown} cannot be opened in {_place(config, run)}: {reason}"
        ) from None


@contextlib.contextmanager
def quiet_optuna() -> Iterator[None]:
    """Let Optuna log warnings only while the block lasts: it logs each study that it makes."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(before, optuna.logging.WARNING))
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _place(config: SearchConfig, run: RunDirectory) -> str:
    """Return where the study is, without a password."""
    place = (
        display_path(run.journal) if config.storage is None else without_password(config.storage)
    )
    return repr(place)


def _storage(config: SearchConfig, run: RunDirectory) -> BaseStorage:
    if config.storage is None:
        return JournalStorage(BatchedJournal(str(run.journal)))
    return optuna.storages.get_storage(config.storage)


def join_error(opened: optuna.Study) -> str:
    """Return why the asks and tells of a study have no order to replay; empty if they have."""
    others = [key for key in opened.user_attrs if key.startswith(f"{SESSIONS} ")]
    if not others:
        return ""
    return (
        f"{len(others) + 1} drivers worked on this study, each with a sampler of its own that saw "
        "the others' results when it happened to look: there is no one order to replay"
    )


def propose(
    opened: optuna.Study,
    space: Space,
    price: Price,
    config: SearchConfig,
    drivers: Drivers | None = None,
    initial: Iterable[Architecture] | None = None,
) -> Proposals:
    """Return the proposals of a study under a run's settings.

    A sampler of ours learns of the space, and of what networks cost here.

    Args:
        drivers: of the study; if not given, there is one.
        initial: architectures to try first; if not given, those that the settings name.
    """
    if initial is None:
        initial = initial_points(space, config.sampler, parse_enqueued(space, config.enqueue))
    if isinstance(opened.sampler, AdditiveSampler):
        opened.sampler = opened.sampler.on(space, price)
    return Proposals(
        opened,
        space,
        price,
        trials=config.trials,
        seed=config.seed,
        initial=initial,
        sampled=config.sampler != "grid",
        drivers=drivers,
    )
