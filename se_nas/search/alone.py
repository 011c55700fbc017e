"""A device of its own for latency measurements: one plain Ray actor that reserves all of it.

The actor holds a whole GPU, or all CPUs of a node, for as long as it measures: no trial can share
the device.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from se_nas.arch import Architecture
from se_nas.errors import InputError
from se_nas.latency.settings import LatencySettings, Signature
from se_nas.latency.table import Latency, Profile
from se_nas.search.cluster import Slots, living

Note = Callable[[str], None]
T = TypeVar("T")
WAIT_S = 20.0  # before the search says what it waits for


class LatencyWorker:
    """What runs on the reserved device."""

    def __init__(self, signature: Signature, settings: LatencySettings, on_gpu: bool) -> None:
        from se_nas.latency.measure import LocalMeasurer
        from se_nas.search.trial import device

        self.measurer = LocalMeasurer(signature, settings, device(on_gpu))

    def identity(self) -> dict[str, Any]:
        return self.measurer.identity()

    def measure(self, architecture: str) -> Latency | None:
        return self._fitting(self.measurer.measure, architecture)

    def profile(self, architecture: str) -> Profile | None:
        return self._fitting(self.measurer.profile, architecture)

    def _fitting(self, timed: Callable[[Architecture], T], architecture: str) -> T | None:
        from se_nas.search.trial import is_out_of_memory

        try:
            return timed(Architecture.from_json(architecture))
        except Exception as error:
            if is_out_of_memory(error):
                return None
            raise


class RayMeasurer:
    """``build.Measurer`` through the actor. Errors of the user's are raised here as they are."""

    def __init__(self, actor: Any, ray: Any) -> None:
        self.actor, self.ray = actor, ray

    def identity(self) -> dict[str, Any]:
        return dict(self._get(self.actor.identity.remote()))

    def measure(self, architecture: Architecture) -> Latency | None:
        found: Latency | None = self._get(self.actor.measure.remote(architecture.to_json()))
        return found

    def profile(self, architecture: Architecture) -> Profile | None:
        found: Profile | None = self._get(self.actor.profile.remote(architecture.to_json()))
        return found

    def _get(self, reference: Any) -> Any:
        """The actor's answer; None if the host had not the memory for it."""
        try:
            return self.ray.get(reference)
        except self.ray.exceptions.OutOfMemoryError:
            return None
        except self.ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, InputError):
                raise InputError(str(error.cause)) from None
            reason = str(error.cause).splitlines()[0]
            raise InputError(f"latency_ms cannot be measured: {reason}") from None
        except self.ray.exceptions.RayActorError as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"latency_ms cannot be measured: the worker died ({reason})") from None


def whole_device(slots: Slots, nodes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """What a measurement reserves: a GPU and a trial's CPUs, or all CPUs of the largest node."""
    if slots.gpus:
        return {"num_gpus": 1, "num_cpus": slots.cpus}
    return {"num_gpus": 0, "num_cpus": max(node.get("CPU", 0.0) for node in nodes)}


@contextlib.contextmanager
def alone(
    signature: Signature, settings: LatencySettings, slots: Slots, note: Note
) -> Iterator[RayMeasurer]:
    """A measurer that has a device to itself, for as long as the block lasts."""
    import ray

    api: Any = ray
    reserved = whole_device(slots, living())
    actor = (
        api.remote(LatencyWorker)
        .options(max_restarts=3, max_task_retries=3, **reserved)
        .remote(signature, settings, slots.gpus > 0)
    )
    try:
        begun, _ = api.wait([actor.identity.remote()], timeout=WAIT_S)
        if not begun:
            what = ", ".join(f"{value:g} {key[4:].upper()}" for key, value in reserved.items())
            note(f"waiting for a device that is free: {what}")
        yield RayMeasurer(actor, api)
    finally:
        api.kill(actor)
