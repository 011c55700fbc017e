"""The architecture that a worker trains, in its process's title and in its log.

Ray's dashboard has no other place for it. It asks an actor for its ``repr`` once, when the actor
starts, and one actor serves many trials; Tune names no tasks. The title is in the list of workers
of each node (Cluster page) and in ``ps``; the log is one click from the actor.
"""

from __future__ import annotations

import ray

from se_nas.search.worker.ray_internals import set_title

TITLE = "ray::SETrial:{name}"  # without a space: the dashboard shows the first word


def set_process_title(name: str) -> None:
    """Set this worker's process title to an architecture's name; do nothing outside of a worker.

    Ray overwrites it at the next call.
    """
    if ray.is_initialized():
        set_title(TITLE.format(name=name))


def log(name: str, text: str) -> None:
    """Print a line into this worker's log; outside of a Ray worker do nothing."""
    if ray.is_initialized():
        print(f"{name}: {text}", flush=True)
