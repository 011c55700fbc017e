"""The search: an Optuna study proposes, Ray Tune trains, the study is the one source of truth.

Only this package imports ray and optuna. ``run.py`` is the way through it.

run           the way through a search
config        its settings                    config_file   TOML and YAML files of settings
user_input    a Python caller's arguments     plan          ``Plan`` and ``SearchRun``
run_dir       one run on disk                 cluster       Ray's cluster and its slots
study         the Optuna study                pricing       costs and latencies
tuning        trials through Ray Tune         worker        code that runs on workers
finals        retraining and the verdict      results       files and tables of results
report        a run as a page
dry_run       ``--dry-run``                   replay        the proposals asked again
init_weights  weights that trainings start from
checked_data  images, every picture looked at
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from rich.console import Console

    from se_nas.data import ImageShape
    from se_nas.search.config import SearchConfig
    from se_nas.search.results.search_result import SearchResult
    from se_nas.search.run_dir.directory import RunDirectory
    from se_nas.space.space import Space
    from se_nas.training.custom import TrainFunction


def run_search(
    space: Space | str | os.PathLike[str] | None = None,
    data: ImageShape | str | os.PathLike[str] | None = None,
    *,
    train: TrainFunction | str | os.PathLike[str] | None = None,
    progress: bool = True,
    resume: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> SearchResult:
    """Search a space on a data set; retrain and test the best beside two controls.

    In a script call it under ``if __name__ == "__main__":``.

    Args:
        space: a space, its name, or a path to a file with one; with ``resume`` it may be left out.
        data: a name such as ``"cifar10"``, a folder of images, a .csv or .parquet of paths and
            labels, ``se_nas.data.from_datasets(…)``, a path to a Python file with such a value, or,
            with ``train``, an ``ImageShape``.
        train: your own training function, or a path to a file that defines it; see
            ``se_nas.training.custom``.
        progress: print what the search does; nothing is printed without.
        resume: finish this run, by its folder or by its name in ``out``. What was given as a Python
            object is to be given again.
        settings: those of the command line by the names of its options: ``trials=50, gpus=4``.

    Raises:
        InputError: something that is given cannot be used, or no trial came to its end.
        KeyboardInterrupt: the user stopped the search; ``resume`` goes on with it.
        SystemExit: SIGTERM (Slurm, Kubernetes) or SIGHUP did, with 128 and the signal's number as
            its code: the script ends with that, after its ``finally``, and without a traceback.
    """
    from se_nas.errors import InputError
    from se_nas.search.config import check_new_run, config_from_options
    from se_nas.search.user_input import console_for, read_space, user_options
    from se_nas.user_files import as_path

    options, user = user_options(space, data, train, settings)
    config = config_from_options(options)
    if resume is None:
        check_new_run(options)
    found = read_space(space)
    _configure(config.address)
    from se_nas.search import run as way
    from se_nas.search.results.search_result import SearchResult
    from se_nas.signals import as_python_ends

    console = console_for(progress)
    with as_python_ends():
        if resume is not None:
            which = str(as_path("resume", resume))
            directory = way.resume(which, found, config, options, console, user)
        elif found is not None:
            directory = way.search(found, config, console, user=user)
        else:
            raise InputError("space is missing: give a space, or resume=RUN")
    return SearchResult.load(directory.path, storage=config.storage)


def search(space: Space, config: SearchConfig, console: Console) -> RunDirectory:
    """Run a search and print its table; ``se_nas.search.run.search`` has the details."""
    _configure(config.address)
    from se_nas.search import run

    return run.search(space, config, console)


def resume(
    which: str, space: Space | None, asked: SearchConfig, named: Collection[str], console: Console
) -> RunDirectory:
    """Take up a run that was cut; ``se_nas.search.run.resume`` has the details."""
    _configure(asked.address)
    from se_nas.search import run

    return run.resume(which, space, asked, named, console)


def join(
    space: Space | None, asked: SearchConfig, named: Collection[str], console: Console
) -> RunDirectory:
    """Work on a study that another driver began; ``se_nas.search.run.join`` has the details."""
    _configure(asked.address)
    from se_nas.search import run

    return run.join(space, asked, named, console)


def _configure(address: str | None) -> None:
    """Set the environment that Ray reads when it is imported: call it before importing ``run``."""
    from se_nas.search.cluster.ray_environment import configure_ray

    configure_ray(address)
