"""``--join``: a further driver on a study in a database, and how several of them end.

The driver that began the study makes the results. One that joined leaves when the study has all its
trials; the first one waits for trials that others still train, but not for ever: a driver that was
killed looks like one that works.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import asdict
from typing import Any

import optuna
from rich.console import Console

from se_nas.console import print_line
from se_nas.data import ImageShape
from se_nas.errors import InputError
from se_nas.latency.settings import uses_latency
from se_nas.search.config import SearchConfig, without_password
from se_nas.search.run_dir.compatibility import check_settings, check_space
from se_nas.search.run_dir.data_files import check_parts
from se_nas.search.run_dir.directory import RESULTS, RunDirectory
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.records import DRIVER, IMAGES, SETTINGS, SPACE, Record, records
from se_nas.search.study.storage_errors import cannot_open, check_storage, sqlite_file
from se_nas.settings import by_option, settings_of, with_options
from se_nas.space.space import Space

# The first driver waits for LONGEST times the longest trial so far, but LEAST_S at least.
LONGEST, LEAST_S, EVERY_S = 2.0, 60.0, 2.0


def joined_config(
    space: Space | None, asked: SearchConfig, named: Collection[str]
) -> tuple[Space, SearchConfig]:
    """Return the space and settings of the study to join, with this driver's own settings.

    Args:
        space: one that must be the study's; None takes the study's.
        asked, named: the settings of the command line, and the options that the user wrote.

    Raises:
        InputError: there is no such study, or something is asked for that is not the study's.
    """
    if asked.storage is None or asked.name is None:
        raise InputError("--join needs `storage` and `name`: of the study to work on")
    place = repr(without_password(asked.storage))
    attrs = _attributes(asked.storage, asked.name, place)
    where = f"the study {asked.name!r}"
    if not {DRIVER, SPACE, SETTINGS} <= set(attrs):
        raise InputError(
            f"{where} in {place} does not say what it is of: an earlier version began "
            "it; take it up with --resume RUN where its run is, and join it then"
        )
    if space is not None:
        check_space(attrs[SPACE], space, f"{space.name!r} as it is given", where)
    space = Space.from_json(json.dumps(attrs[SPACE]))
    check_space(attrs[SPACE], space, f"{space.name!r} as this version reads it", where)
    if uses_latency(space):
        raise InputError(
            f"--join: the space {space.name!r} asks for latency_ms, which is predicted from one "
            "device's table in one run; such a study has one driver"
        )
    stored = SearchConfig.from_dict(attrs[SETTINGS])
    changes = check_settings(stored, asked, named, where)
    table = settings_of(SearchConfig)
    own = {name: value for name, value in by_option(asked).items() if not table[name].shared}
    return space, with_options(stored, own | changes)


def check_images(config: SearchConfig, images: ImageShape) -> None:
    """Refuse images that are not those of the study that ``config`` joins.

    Raises:
        InputError: with the parts that differ.
    """
    assert config.storage is not None, "joined_config asks for it"
    assert config.name is not None, "joined_config asks for it"
    attrs = _attributes(config.storage, config.name, repr(without_password(config.storage)))
    check_parts(attrs.get(IMAGES, {}), images, f"the study {config.name!r}")


def _attributes(url: str, name: str, place: str) -> dict[str, Any]:
    check_storage(url)
    if url.startswith("sqlite") and not sqlite_file(url).exists():  # opening it would make one
        raise InputError(f"--join: the storage {place} is not there; see `storage`")
    try:
        storage = optuna.storages.get_storage(url)
        return optuna.load_study(study_name=name, storage=storage).user_attrs
    except KeyError:
        raise InputError(
            f"--join: the storage {place} has no study {name!r}; start its first driver "
            "without --join, or see `name`"
        ) from None
    except Exception as error:  # the drivers behind a URL raise many types
        raise InputError(cannot_open(place, error)) from None


def finish_joined(
    proposals: Proposals, config: SearchConfig, run: RunDirectory, console: Console
) -> None:
    """End a driver that joined: write its results file and say where its trials are."""
    proposals.release_duplicates()
    counts = asdict(proposals.counts)
    run.write(RESULTS, {"joined": config.name, "proposals": counts, "seed": config.seed})
    trials = proposals.study.get_trials(deepcopy=False)
    own = sum(Record.of(trial).trained for trial in filter(proposals.drivers.owns, trials))
    print_line(
        console,
        f"done: {own} trials of this driver are in the study {config.name!r}; "
        f"the results are made by the driver that began it, {proposals.drivers.first_driver}",
    )


def wait_for_drivers(
    proposals: Proposals,
    console: Console,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Wait for trials that other drivers train, at most twice as long as the longest trial took."""
    proposals.sync()
    ended = (record.outcome for record in records(proposals.study) if record.trained)
    longest = max((outcome.seconds for outcome in ended if outcome is not None), default=0.0)
    timeout, began = max(LEAST_S, LONGEST * longest), clock()
    if proposals.running_elsewhere:
        print_line(
            console,
            f"waiting for trials of other drivers ({_owners(proposals)}), at most {timeout:.0f} s",
        )
    while proposals.running_elsewhere and clock() - began < timeout:
        sleep(EVERY_S)
        proposals.sync()
    if proposals.running_elsewhere:
        print_line(
            console,
            f"note: not in the results, because they did not end: trials of {_owners(proposals)}; "
            "if that driver was killed, --resume its run, then this one with more --trials",
        )
    proposals.release_duplicates()


def _owners(proposals: Proposals) -> str:
    counts = Counter(map(proposals.drivers.driver_of, proposals.running_elsewhere.values()))
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
