"""Ray's internals that a worker relies on: to be checked at each upgrade of Ray."""

from __future__ import annotations

import contextlib
from typing import cast

import ray
from ray import ObjectRef

from se_nas.search.worker.ray_api import ActorHandle


def set_title(title: str) -> None:
    """Set the title of this process, as Ray does; nothing where Ray has no such function."""
    with contextlib.suppress(AttributeError):
        ray._raylet.setproctitle(title)  # type: ignore[attr-defined]


def is_up(actor: ActorHandle) -> ObjectRef[object]:
    """Return a reference that is ready when the actor's constructor is done."""
    return actor.__ray_ready__.remote()


def failed_to_start(error: ray.exceptions.RayError) -> bool:
    """Return whether an actor's constructor raised, rather than that its process died."""
    return cast(bool, getattr(error, "actor_init_failed", False))
