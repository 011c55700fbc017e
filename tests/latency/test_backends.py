"""What each backend makes of a network: the same outputs, and a compiled block for every block."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from se_nas import Architecture
from se_nas.latency.backends import IN_PROCESS, compiled
from se_nas.latency.measure import LocalMeasurer
from se_nas.latency.measure_by_command import CommandMeasurer
from se_nas.latency.measurers import measurer
from se_nas.latency.pieces import cut, prepared
from se_nas.latency.settings import BACKENDS, LatencySettings, Signature

SIGNATURE = Signature(32, 3, 10)
NETWORK = Architecture.parse("se_resnet8_small_s2_r8_max_s3_r4_pre_hsigmoid")


def test_every_backend_of_the_settings_is_there() -> None:
    assert {*IN_PROCESS, "onnxruntime"} == set(BACKENDS)
    for backend in BACKENDS:
        assert measurer(SIGNATURE, LatencySettings(backend=backend)).identity() is not None
    assert isinstance(measurer(SIGNATURE, LatencySettings(command="a {onnx}")), CommandMeasurer)


@pytest.mark.parametrize("backend", IN_PROCESS)
def test_the_network_and_its_pieces_compute_the_same(backend: str) -> None:
    model, images = prepared(NETWORK, SIGNATURE, LatencySettings(batch=2), "cpu")
    with torch.inference_mode():
        expected = model(images)
        run = IN_PROCESS[backend].whole(model, images)
        torch.testing.assert_close(run(images), expected, rtol=1e-4, atol=1e-4)
        x = images
        for piece in cut(model):
            x = IN_PROCESS[backend].block(piece, x)(x)
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
        patch.setattr(torch, "compile", lambda f, dynamic, options: real(f, backend=backend))
        runs = [compiled(nn.Linear(3, 3 + i), x) for i in range(20)]
        assert len(ran) == 20
        assert [run(x).shape[1] for run in runs] == list(range(3, 23))
    assert len(ran) == 20  # nothing was compiled again


def test_a_real_measurement_of_compiled_blocks() -> None:
    settings = LatencySettings(backend="compile", warm_up=1, repeats=3)
    own = LocalMeasurer(SIGNATURE, settings)
    latency = own.measure(NETWORK)
    assert 0 < latency.q1_ms <= latency.median_ms <= latency.q3_ms
    profile = own.profile(NETWORK)
    assert min(profile.blocks_ms) > 0
    assert profile.whole_ms is not None
    pieces = dict(own._pieces)
    again = own.profile(NETWORK)
    assert own._pieces == pieces  # made ready once
    assert (
        len(again.blocks_ms) == len(profile.blocks_ms) == len(pieces) - 1
    )  # and one that does nothing
    assert own.identity()["backend"] == "compile"
