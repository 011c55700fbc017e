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
from se_nas.errors import InputError
from se_nas.latency.blocks import split
from se_nas.latency.settings import LatencySettings, Signature
from se_nas.latency.table import Latency, Profile
from se_nas.models.materialize import materialize
from se_nas.nn.model import Model
from se_nas.texts import first_line

Piece = Callable[[Tensor], Tensor]

# Profiled passes for every pass of the whole network, which tells what a sum of blocks lacks.
WHOLE_EVERY = 3

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
        on_gpu = device.startswith("cuda")
        self.whole = synchronized(host) if on_gpu else host
        self.inner = cuda_clock() if on_gpu else host
        torch.set_num_threads(settings.threads)
        keep_freed_memory()

    def identity(self) -> dict[str, Any]:
        """Return what a measurement holds for: the device, the versions, the settings."""
        return identity(self.device) | self.settings.of_one()

    def measure(self, architecture: Architecture) -> Latency:
        """Time a whole network.

        Raises:
            InputError: the device cannot compute it in this precision.
        """
        model, images_nchw = self._prepared(architecture)
        with torch.inference_mode():
            times = [self._pass(model, images_nchw) for _ in range(self._passes)]
        return Latency.of(times[self.settings.warm_up :])

    def profile(self, architecture: Architecture) -> Profile:
        """Time every block, in the order of ``blocks.blocks``.

        Raises:
            InputError: the device cannot compute it in this precision.
        """
        model, images_nchw = self._prepared(architecture)
        pieces = cut(model)
        spans: list[list[float]] = []
        totals: list[float] = []
        with torch.inference_mode():
            for i in range(self._passes):
                marks = [self.inner.mark()]
                x = images_nchw
                for piece in pieces:
                    x = piece(x)
                    marks.append(self.inner.mark())
                spans.append(self.inner.spans(marks))
                if i >= self.settings.warm_up and (i - self.settings.warm_up) % WHOLE_EVERY == 0:
                    totals.append(self._pass(model, images_nchw))
        timed = spans[self.settings.warm_up :]
        medians = tuple(statistics.median(times) for times in zip(*timed, strict=True))
        return Profile(medians, statistics.median(totals))

    @property
    def _passes(self) -> int:
        return self.settings.warm_up + self.settings.repeats

    def _pass(self, model: Model, images_nchw: Tensor) -> float:
        start = self.whole.mark()
        model(images_nchw)
        return self.whole.spans([start, self.whole.mark()])[0]

    def _prepared(self, architecture: Architecture) -> tuple[Model, Tensor]:
        """Return the model and a batch, after one pass to see that the device can do it."""
        signature, settings = self.signature, self.settings
        layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        dtype: torch.dtype = getattr(torch, settings.precision)
        model = materialize(
            architecture, num_classes=signature.num_classes, in_channels=signature.in_channels
        ).eval()
        as_if_trained(model)
        model = model.to(device=self.device, dtype=dtype)
        model = model.to(memory_format=layout)
        # Not zeros: on a GPU the work on zeros draws less power, so that it runs faster.
        side = signature.image_size
        images = torch.randn(
            (settings.batch, signature.in_channels, side, side),
            generator=torch.Generator().manual_seed(0),
        )
        images = images.to(device=self.device, dtype=dtype).contiguous(memory_format=layout)
        try:
            with torch.inference_mode():
                model(images)
        except RuntimeError as error:
            reason = first_line(error)
            if "not implemented" not in reason:
                raise
            raise InputError(
                f"latency precision {settings.precision}: {self.device} cannot run "
                f"{architecture} in it ({reason})"
            ) from None
        return model, images


@torch.no_grad()
def as_if_trained(model: nn.Module) -> None:
    """Give the batch norms biases, so that maps stay of the order of 1 as in a trained network.

    Fresh ones hand maps on that shrink from block to block: with a few tanh gates to subnormal
    numbers, on which a CPU computes many times slower (a MobileNet: 7.6 rather than 6.3 ms).
    """
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.bias.normal_(generator=generator)


def keep_freed_memory() -> None:
    """Let glibc keep what is freed, maps of up to 32 MB too, instead of giving it back.

    Else a pass takes page faults or not by what the process did before: one network took 15 or
    20 ms on a CPU, for as long as its process lived. Other C libraries are left as they are.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 2**25)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def cut(model: Model) -> list[Piece]:
    """Cut the model into the pieces that ``blocks.blocks`` describes."""
    network = model.architecture.network(
        num_classes=model.num_classes, in_channels=model.in_channels
    )
    pieces: list[Piece] = [_run([getattr(model, name) for name in model.stem_names])]
    for stage, blocks in network.stages:
        module: nn.Module = getattr(model, stage)
        for piece in split(blocks):
            pieces.append(_run([getattr(module, name) for name, _ in piece]))
    return [*pieces, model.forward_head]


def _run(modules: Sequence[nn.Module]) -> Piece:
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules)


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
