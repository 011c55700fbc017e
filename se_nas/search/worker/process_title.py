"""Where a worker says which architecture it trains: its process's title, and its log.

Ray's dashboard has no other place for it. It asks an actor for its ``repr`` once, when the actor
starts, and one actor serves many trials; Tune names no tasks. The title is in the list of workers
of each node (Cluster page) and in ``ps``; the log is one click from the actor.
"""

from __future__ import annotations

import contextlib
from typing import Any

TITLE = "ray::SETrial:{name}"  # without a space: the dashboard shows the first word


def set_process_title(name: str) -> None:
    """Call this worker's process after an architecture until Ray names it again, a call later.

    Outside of a Ray worker this does nothing.
    """
    import ray

    raylet: Any = ray._raylet
    if ray.is_initialized():
        with contextlib.suppress(AttributeError):  # Ray's own copy of setproctitle is not its API
            raylet.setproctitle(TITLE.format(name=name))


def log(name: str, text: str) -> None:
    """A line in this worker's log; outside of a Ray worker nothing."""
    import ray

    if ray.is_initialized():
        print(f"{name}: {text}", flush=True)
