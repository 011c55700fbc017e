"""A device of its own for latency measurements: one plain Ray actor that reserves all of it.

The actor holds a whole GPU, or all CPUs of a node, for as long as it measures: no trial can share
the device.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

import ray
from ray import ObjectRef

from se_nas.architecture.architecture import Architecture
from se_nas.errors import InputError
from se_nas.latency.settings import LatencySettings, Signature
from se_nas.latency.table import Latency, Profile
from se_nas.search.cluster.connection import living_nodes
from se_nas.search.cluster.slots import Slots
from se_nas.search.worker import ray_api
from se_nas.search.worker.latency_worker import LatencyWorker
from se_nas.search.worker.ray_api import ActorHandle
from se_nas.texts import first_line

Note = Callable[[str], None]
CLOSE_S = 5.0  # for an actor to remove its files
WAIT_S = 20.0  # before the search prints that it waits


class RayMeasurer:
    """A ``Measurer`` through the actor; its errors are raised here as one line.

    Args:
        patience: seconds for an answer; None waits as long as it takes.
    """

    def __init__(self, actor: ActorHandle, patience: float | None = None) -> None:
        self.actor, self.patience = actor, patience

    def identity(self) -> dict[str, object]:
        return cast("dict[str, object]", self._get(self.actor.identity.remote()))

    def measure(self, architecture: Architecture) -> Latency | None:
        found = self._get(self.actor.measure.remote(architecture.to_json()))
        return cast("Latency | None", found)

    def profile(self, architecture: Architecture) -> Profile | None:
        found = self._get(self.actor.profile.remote(architecture.to_json()))
        return cast("Profile | None", found)

    def _get(self, reference: ObjectRef[object]) -> object:
        """Return the actor's answer; None if the host had not the memory for it."""
        try:
            return ray.get(reference, timeout=self.patience)
        except ray.exceptions.OutOfMemoryError:
            return None
        except ray.exceptions.GetTimeoutError:
            reason = f"no answer for {self.patience:g} s"
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, InputError):
                raise InputError(str(error.cause)) from None
            reason = first_line(error.cause)
        except ray.exceptions.RayError as error:
            reason = f"the worker died ({first_line(error)})"
        raise InputError(f"latency_ms cannot be measured: {reason}")


def whole_device(
    slots: Slots, nodes: Sequence[Mapping[str, float]], on_cpu: bool = False
) -> dict[str, float]:
    """Return the resources to reserve: a GPU and a trial's CPUs, or the largest node's CPUs."""
    if slots.gpus and not on_cpu:
        return {"num_gpus": 1, "num_cpus": slots.cpus}
    return {"num_gpus": 0, "num_cpus": max(node.get("CPU", 0.0) for node in nodes)}


@contextlib.contextmanager
def exclusive_measurer(
    signature: Signature,
    settings: LatencySettings,
    slots: Slots,
    note: Note,
    patience: float | None = None,
) -> Iterator[RayMeasurer]:
    """Yield a measurer that has a device to itself for as long as the block lasts.

    Args:
        note: told what is waited for, if no device is free.
        patience: seconds to wait for the device, and then for each answer; None for no limit.

    Raises:
        InputError: no device was free in time.
    """
    reserved = whole_device(slots, living_nodes(), settings.on_cpu)
    actor = ray_api.start_actor(
        LatencyWorker,
        *(signature, settings, slots.gpus > 0),
        max_restarts=3,
        max_task_retries=3,
        **reserved,
    )
    try:
        first = [actor.identity.remote()]
        begun, _ = ray_api.wait(
            first, timeout=WAIT_S if patience is None else min(WAIT_S, patience)
        )
        if not begun:
            what = " and ".join(f"{n:g} {key[4:-1].upper()}" for key, n in reserved.items() if n)
            limit = "" if patience is None else f", {patience:g} s at most"
            note(f"waiting for a device that is free: {what} on one node{limit} (Ctrl-C ends it)")
            rest = None if patience is None else max(0.0, patience - WAIT_S)
            begun, _ = ray_api.wait(first, timeout=rest)
        if not begun:
            raise InputError(f"no device was free for {patience:g} s ({what} on one node)")
        try:
            yield RayMeasurer(actor, patience)
        finally:
            ray_api.wait([actor.close.remote()], timeout=CLOSE_S)
    finally:
        ray_api.kill(actor)
