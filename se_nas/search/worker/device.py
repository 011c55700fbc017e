"""The device that a worker trains on."""

from __future__ import annotations

import torch


def device(on_gpu: bool) -> str:
    """Return ``cuda`` if a GPU was reserved and this process sees one, else ``cpu``."""
    return "cuda" if on_gpu and torch.cuda.is_available() else "cpu"
