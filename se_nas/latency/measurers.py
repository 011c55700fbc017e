"""The measurer that the settings ask for."""

from __future__ import annotations

from se_nas.latency.measure import LocalMeasurer
from se_nas.latency.measure_by_command import CommandMeasurer
from se_nas.latency.measure_onnx import OnnxRuntimeMeasurer
from se_nas.latency.settings import LatencySettings, Signature

AnyMeasurer = LocalMeasurer | OnnxRuntimeMeasurer | CommandMeasurer


def measurer(signature: Signature, settings: LatencySettings, device: str = "cpu") -> AnyMeasurer:
    """Return what times networks by the settings' command or backend in this process.

    Args:
        device: ``cpu`` or ``cuda``; ONNX Runtime's is always the CPU, a command's its own affair.
    """
    if settings.command is not None:
        return CommandMeasurer(signature, settings)
    if settings.backend == "onnxruntime":
        return OnnxRuntimeMeasurer(signature, settings)
    return LocalMeasurer(signature, settings, device)
