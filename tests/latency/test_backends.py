"""What each backend makes of a network: the same outputs, and a compiled block for every block."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from se_nas import Architecture
from se_nas.latency.backends import PREPARE, compiled
from se_nas.latency.measure import LocalMeasurer
from se_nas.latency.pieces import cut, prepared
from se_nas.latency.settings import BACKENDS, LatencySettings, Signature

SIGNATURE = Signature(32, 3, 10)
NETWORK = Architecture.parse("se_resnet8_small_s2_r8_max_s3_r4_pre_hsigmoid")


def test_every_backend_of_the_settings_is_there() -> None:
    assert tuple(PREPARE) == BACKENDS


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_network_and_its_pieces_compute_the_same(backend: str, tmp_path: Path) -> None:
    settings = LatencySettings(backend=backend, batch=2)
    model, images = prepared(NETWORK, SIGNATURE, settings, "cpu")
    with torch.inference_mode():
        expected = model(images)
        run = PREPARE[backend](model, images, settings, tmp_path / "whole.onnx")
        torch.testing.assert_close(run(images), expected, rtol=1e-4, atol=1e-4)
        x = images
        for i, piece in enumerate(cut(model)):
            x = PREPARE[backend](piece, x, settings, tmp_path / f"{i}.onnx")(x)
    torch.testing.assert_close(x, expected, rtol=1e-4, atol=1e-4)


def test_however_many_modules_of_a_class_each_is_compiled() -> None:
    # Torch gives up on a piece of code that it has compiled eight times, and runs it as it is.
    ran: list[int] = []

    def backend(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> torch.fx.GraphModule:
        ran.append(len(ran))
        return graph

    torch.compiler.reset()
    real = torch.compile
    x = torch.ones(1, 3)
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(torch, "compile", lambda f, dynamic: real(f, backend=backend))
        runs = [compiled(nn.Linear(3, 3 + i), x, LatencySettings(), Path()) for i in range(20)]
        assert len(ran) == 20
        assert [run(x).shape[1] for run in runs] == list(range(3, 23))
    assert len(ran) == 20  # nothing was compiled again


@pytest.mark.parametrize("backend", ["compile", "onnxruntime"])
def test_a_real_measurement_of_each_backend(backend: str) -> None:
    settings = LatencySettings(backend=backend, warm_up=1, repeats=3)
    measurer = LocalMeasurer(SIGNATURE, settings)
    latency = measurer.measure(NETWORK)
    assert 0 < latency.q1_ms <= latency.median_ms <= latency.q3_ms
    profile = measurer.profile(NETWORK)
    assert min(profile.blocks_ms) > 0
    assert profile.whole_ms is not None
    pieces = dict(measurer._pieces)
    again = measurer.profile(NETWORK)
    assert measurer._pieces == pieces  # made ready once
    assert len(again.blocks_ms) == len(profile.blocks_ms) == len(pieces)
    assert measurer.identity()["backend"] == backend
