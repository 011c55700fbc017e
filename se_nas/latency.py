"""Measured inference latency of an architecture on this machine's device."""

from __future__ import annotations

import statistics
import time

import torch

from se_nas.arch import Architecture
from se_nas.materializer import materialize


def measure_latency_ms(
    architecture: Architecture | str,
    *,
    image_size: int,
    in_channels: int = 3,
    num_classes: int = 1000,
    batch_size: int = 1,
    device: str = "cpu",
    repeats: int = 20,
    warm_up: int = 5,
) -> float:
    """The median time of one forward pass in milliseconds (eval mode, float32, no gradients).

    It is only worth something where nothing else runs on the device. The CUDA path was not run on a
    GPU.

    Args:
        image_size: side of the square images in pixels.
        batch_size: images in one pass.
        repeats, warm_up: timed and untimed passes.
    """
    model = materialize(architecture, num_classes=num_classes, in_channels=in_channels)
    model = model.eval().to(device)
    images = torch.zeros(batch_size, in_channels, image_size, image_size, device=device)
    times_ms: list[float] = []
    with torch.inference_mode():
        for i in range(warm_up + repeats):
            start = time.perf_counter()
            model(images)
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            if i >= warm_up:
                times_ms.append((time.perf_counter() - start) * 1000)
    return statistics.median(times_ms)
