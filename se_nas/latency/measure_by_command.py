"""Timing by the user's own tool, of networks and blocks as ONNX files."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import weakref
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from se_nas.architecture.architecture import Architecture
from se_nas.latency.blocks import blocks
from se_nas.latency.command import milliseconds
from se_nas.latency.measure import identity
from se_nas.latency.pieces import FirstOfTrunks, cut, prepared
from se_nas.latency.settings import LatencySettings, Signature
from se_nas.latency.table import Latency, Profile, network_key
from se_nas.models.export import onnx_program


class CommandMeasurer:
    """Measurer that asks a command for the milliseconds of a file, ``sweeps`` times for each.

    A block is a file of its own, so that its time has the tool's start and end in it; the table
    scales sums by whole networks.
    """

    def __init__(self, signature: Signature, settings: LatencySettings) -> None:
        assert settings.command is not None
        self.signature, self.settings, self.command = signature, settings, settings.command
        self.folder = Path(tempfile.mkdtemp(prefix="se-nas-latency-"))
        self.close = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._times: dict[str, list[float]] = {}
        self._first = FirstOfTrunks()

    def identity(self) -> dict[str, Any]:
        """Return what a measurement holds for: the command, the versions, the settings."""
        return identity("cpu") | {"device": self.command} | self.settings.of_one()

    def measure(self, architecture: Architecture) -> Latency:
        """Time a whole network.

        Raises:
            InputError: the command fails, or prints no time.
        """
        model, images_nchw = prepared(architecture, self.signature, self.settings, "cpu")
        return Latency.of(self._time(network_key(architecture, self.signature), model, images_nchw))

    def profile(self, architecture: Architecture) -> Profile:
        """Time every block, and the whole of the first networks of each trunk.

        Raises:
            InputError: the command fails, or prints no time.
        """
        model, x = prepared(architecture, self.signature, self.settings, "cpu")
        whole = self.measure(architecture).median_ms if self._first(architecture) else None
        found: list[float] = []
        for block, piece in zip(blocks(architecture, self.signature), cut(model), strict=True):
            found.append(statistics.median(self._time(block.key, piece, x)))
            x = piece(x).detach()
        return Profile(tuple(found), whole)

    def _time(self, key: str, module: nn.Module, images_nchw: Tensor) -> list[float]:
        """Return the times of a file, with one more as long as there are fewer than sweeps."""
        times = self._times.setdefault(key, [])
        if len(times) < self.settings.sweeps:
            file = self.folder / f"{key}.onnx"
            write_onnx(module, images_nchw, file)
            times.append(milliseconds(self.command, file))
        return times


def write_onnx(module: nn.Module, images: Tensor, file: Path) -> None:
    """Write a block or a network for inputs of this very shape; a file that is there is kept."""
    if not file.exists():
        with torch.no_grad():  # tensors of inference mode cannot be traced
            program = onnx_program(module, images.clone(), None)
        file.write_bytes(program.model_proto.SerializeToString())
