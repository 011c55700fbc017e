"""Ray's calls with the types that the search needs of them.

Ray has types for most of its functions, but none for what is passed through ``options``, for the
methods of an actor, or for placement groups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar, cast

import ray
from ray import ObjectRef
from ray.util.placement_group import PlacementGroup
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

R = TypeVar("R")


class RemoteMethod(Protocol[R]):
    """A task, or a method of an actor."""

    def remote(self, *arguments: object) -> ObjectRef[R]: ...


class ActorHandle(Protocol):
    """An actor: each of its attributes is a method that runs there."""

    def __getattr__(self, method: str) -> RemoteMethod[object]: ...


class _ActorClass(Protocol):
    def remote(self, *arguments: object) -> ActorHandle: ...


class _Remote(Protocol):
    def options(self, **options: object) -> object: ...


def remote_task(function: Callable[..., R], **options: object) -> RemoteMethod[R]:
    """Return a function as a task with these options of Ray's."""
    made = cast(_Remote, ray.remote(function))
    return cast("RemoteMethod[R]", made.options(**options))


def start_actor(kind: type, *arguments: object, **options: object) -> ActorHandle:
    """Start an actor of a class with these arguments and options of Ray's."""
    made = cast(_Remote, ray.remote(kind))
    return cast(_ActorClass, made.options(**options)).remote(*arguments)


def kill(actor: ActorHandle) -> None:
    """End an actor's process."""
    ray.kill(cast("ray.actor.ActorHandle[object]", actor))


def wait(
    references: Sequence[ObjectRef[R]], timeout: float | None = None
) -> tuple[list[ObjectRef[R]], list[ObjectRef[R]]]:
    """Wait for one of the references.

    Args:
        timeout: seconds; None waits as long as it takes.

    Returns:
        The one that is ready, if any is in time; and the others.
    """
    ready, others = ray.wait(list(references), timeout=timeout)
    return ready, others


def in_group(group: PlacementGroup, bundle: int) -> PlacementGroupSchedulingStrategy:
    """Return the option ``scheduling_strategy`` for one bundle of a placement group."""
    return PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=bundle)


def place(bundles: Sequence[Mapping[str, float]]) -> PlacementGroup:
    """Ask for resources together on one node; they are there when they are free."""
    group: PlacementGroup = ray.util.placement_group(list(bundles), strategy="STRICT_PACK")
    return group


def give_back(group: PlacementGroup) -> None:
    """Give back a placement group, or stop waiting for it; with it goes what still runs there."""
    ray.util.remove_placement_group(group)


def own_group() -> PlacementGroup:
    """Return the placement group that this process runs in."""
    group: PlacementGroup | None = ray.util.get_current_placement_group()
    assert group is not None, "this process runs in a placement group"
    return group
