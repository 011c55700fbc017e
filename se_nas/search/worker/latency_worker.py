"""The actor that times networks on a reserved device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from se_nas.architecture.architecture import Architecture
from se_nas.latency.settings import LatencySettings, Signature
from se_nas.latency.table import Latency, Profile

T = TypeVar("T")


class LatencyWorker:
    """The actor on the reserved device; None stands for a network that does not fit into memory."""

    def __init__(self, signature: Signature, settings: LatencySettings, on_gpu: bool) -> None:
        from se_nas.latency.measurers import measurer
        from se_nas.search.worker.device import device

        self.measurer = measurer(signature, settings, device(on_gpu and not settings.on_cpu))

    def identity(self) -> dict[str, object]:
        return self.measurer.identity()

    def measure(self, architecture: str) -> Latency | None:
        return self._fitting(self.measurer.measure, architecture)

    def profile(self, architecture: str) -> Profile | None:
        return self._fitting(self.measurer.profile, architecture)

    def close(self) -> None:
        """Remove its files: an actor that is killed does not."""
        self.measurer.close()

    def _fitting(self, timed: Callable[[Architecture], T], architecture: str) -> T | None:
        from se_nas.search.worker.out_of_memory import is_out_of_memory

        try:
            return timed(Architecture.from_json(architecture))
        except Exception as error:
            if is_out_of_memory(error):
                return None
            raise
