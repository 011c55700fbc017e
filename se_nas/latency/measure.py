"""Timing of networks on this process's device, which must have nothing else to do.

In a search ``se_nas.search.pricing.exclusive_device`` sees to that. A pass is one batch through
the network in eval mode without gradients. Blocks are timed inside whole networks and not one at a
time: there a block finds caches and clocks as in use, and the blocks' times add up to the
network's. ``tests/gpu`` runs the CUDA path.
"""

from __future__ import annotations

import ctypes
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from se_nas.architecture.architecture import Architecture
from se_nas.latency.backends import IN_PROCESS, Run
from se_nas.latency.blocks import blocks
from se_nas.latency.pieces import FirstOfTrunks, cut, prepared
from se_nas.latency.settings import LatencySettings, Signature
from se_nas.latency.table import Latency, Profile
from se_nas.nn.model import Model

# Profiled passes for every pass of the whole network, which tells what a sum of blocks lacks.
WHOLE_EVERY = 3

NOTHING = "nothing"  # no block's key

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


@dataclass(frozen=True)
class Clock:
    """``mark`` is called between pieces of work; ``spans`` gives the milliseconds between marks."""

    mark: Callable[[], Any]
    spans: Callable[[Sequence[Any]], list[float]]


def _host_spans(marks: Sequence[float]) -> list[float]:
    return [1e3 * (after - before) for before, after in pairwise(marks)]


HOST = Clock(time.perf_counter, _host_spans)


def cuda_clock() -> Clock:
    """Return a clock of events in the stream, which do not hold up the launches between them."""

    cuda: Any = torch.cuda

    def mark() -> Any:
        event = cuda.Event(enable_timing=True)
        event.record()
        return event

    def spans(marks: Sequence[Any]) -> list[float]:
        torch.cuda.synchronize()
        return [before.elapsed_time(after) for before, after in pairwise(marks)]

    return Clock(mark, spans)


def synchronized(host: Clock) -> Clock:
    """Return the host's clock, read when the device has nothing left to do."""

    def mark() -> Any:
        torch.cuda.synchronize()
        return host.mark()

    return Clock(mark, host.spans)


class LocalMeasurer:
    """Measurer that times networks in this process.

    Args:
        device: ``cpu`` or ``cuda``.
        host: the clock of this process; another one for tests.
    """

    def __init__(
        self,
        signature: Signature,
        settings: LatencySettings,
        device: str = "cpu",
        host: Clock = HOST,
    ) -> None:
        self.signature, self.settings, self.device = signature, settings, device
        self.backend = IN_PROCESS[settings.backend]
        self._pieces: dict[str, Run] = {}
        self._first = FirstOfTrunks()
        on_gpu = device.startswith("cuda")
        self.whole = synchronized(host) if on_gpu else host
        self.inner = cuda_clock() if on_gpu else host
        torch.set_num_threads(settings.threads)
        keep_freed_memory()

    def close(self) -> None:
        """Leave nothing behind: it has no files."""

    def identity(self) -> dict[str, Any]:
        """Return what a measurement holds for: the device, the versions, the settings."""
        return identity(self.device) | self.settings.of_one()

    def measure(self, architecture: Architecture) -> Latency:
        """Time a whole network.

        Raises:
            InputError: the device cannot compute it in this precision.
        """
        model, images_nchw = prepared(architecture, self.signature, self.settings, self.device)
        with torch.inference_mode():
            run = self.backend.whole(model, images_nchw)
            times = [self._pass(run, images_nchw) for _ in range(self._passes)]
        return Latency.of(times[self.settings.warm_up :])

    def profile(self, architecture: Architecture) -> Profile:
        """Time every block, in the order of ``blocks.blocks``.

        The whole is timed too; with backends that take seconds to make it ready, of the first
        networks of each trunk only.

        Raises:
            InputError: the device cannot compute it in this precision.
        """
        model, images_nchw = prepared(architecture, self.signature, self.settings, self.device)
        # Compiled blocks have weights of their own, which a whole network in between would push out
        # of the caches: it is timed before.
        shared = self.settings.backend == "eager"
        first = not shared and self._first(architecture)
        totals = [self.measure(architecture).median_ms] if first else []
        spans: list[list[float]] = []
        with torch.inference_mode():
            pieces = self._ready_pieces(model, images_nchw)
            for i in range(self._passes):
                marks = [self.inner.mark()]
                x = images_nchw
                for piece in pieces:
                    x = piece(x)
                    marks.append(self.inner.mark())
                if not shared:
                    self._nothing(images_nchw)
                    marks.append(self.inner.mark())
                spans.append(self.inner.spans(marks))
                due = i >= self.settings.warm_up and (i - self.settings.warm_up) % WHOLE_EVERY == 0
                if shared and due:
                    totals.append(self._pass(model, images_nchw))
        timed = spans[self.settings.warm_up :]
        medians = tuple(statistics.median(times) for times in zip(*timed, strict=True))
        if not shared:  # what a call costs by itself a network has once
            *own, call_ms = medians
            medians = tuple(max(ms - call_ms, 0.0) for ms in own)
        return Profile(medians, statistics.median(totals) if totals else None)

    def _nothing(self, images_nchw: Tensor) -> None:
        """Run a block that does nothing worth the name."""
        if NOTHING not in self._pieces:
            self._one = images_nchw.new_zeros(1)
            self._pieces[NOTHING] = self.backend.block(nn.ReLU(), self._one)
        self._pieces[NOTHING](self._one)

    def _ready_pieces(self, model: Model, images_nchw: Tensor) -> Sequence[Run]:
        pieces = cut(model)
        if self.settings.backend == "eager":
            return pieces
        found: list[Run] = []
        x = images_nchw
        for block, piece in zip(blocks(model.architecture, self.signature), pieces, strict=True):
            if block.key not in self._pieces:
                self._pieces[block.key] = self.backend.block(piece, x)
            found.append(self._pieces[block.key])
            x = found[-1](x)
        return found

    @property
    def _passes(self) -> int:
        return self.settings.warm_up + self.settings.repeats

    def _pass(self, run: Run, images_nchw: Tensor) -> float:
        start = self.whole.mark()
        run(images_nchw)
        return self.whole.spans([start, self.whole.mark()])[0]


def keep_freed_memory() -> None:
    """Let glibc keep what is freed, maps of up to 32 MB too, instead of giving it back.

    Else a pass takes page faults or not by what the process did before: one network took 15 or
    20 ms on a CPU, for as long as its process lived. Other C libraries are left as they are.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 2**25)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def identity(device: str) -> dict[str, Any]:
    """Return the device's name and the versions that its speed depends on."""
    on_gpu = device.startswith("cuda")
    cudnn: Any = torch.backends.cudnn
    return {
        "device": torch.cuda.get_device_name(device) if on_gpu else processor(),
        "torch": torch.__version__,
        "cudnn": cudnn.version() if on_gpu else None,
    }


def processor() -> str:
    """Return the name of this machine's CPU."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
