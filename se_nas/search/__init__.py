"""The search: an Optuna study proposes, Ray Tune trains, the study is the one source of truth.

Only this package imports ray and optuna. ``run.py`` is the way through it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from rich.console import Console

    from se_nas.search.config import SearchConfig
    from se_nas.search.run_dir.directory import RunDirectory
    from se_nas.space.space import Space


def search(space: Space, config: SearchConfig, console: Console) -> RunDirectory:
    """Run a search and print its table; ``se_nas.search.run.search`` has the details.

    Ray reads its environment when it is imported, so that is prepared first.
    """
    from se_nas.search.cluster.ray_environment import configure_ray

    configure_ray(config.address)
    from se_nas.search import run

    return run.search(space, config, console)


def resume(
    which: str, space: Space | None, asked: SearchConfig, named: Collection[str], console: Console
) -> RunDirectory:
    """Take up a run that was cut; ``se_nas.search.run.resume`` has the details."""
    from se_nas.search.cluster.ray_environment import configure_ray

    configure_ray(asked.address)
    from se_nas.search import run

    return run.resume(which, space, asked, named, console)


def join(
    space: Space | None, asked: SearchConfig, named: Collection[str], console: Console
) -> RunDirectory:
    """Work on a study that another driver began; ``se_nas.search.run.join`` has the details."""
    from se_nas.search.cluster.ray_environment import configure_ray

    configure_ray(asked.address)
    from se_nas.search import run

    return run.join(space, asked, named, console)
