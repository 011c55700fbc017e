"""Blocks as ONNX Runtime's profiler tells them."""

from __future__ import annotations

import pytest

from se_nas import Architecture
from se_nas.latency.blocks import blocks
from se_nas.latency.measure_onnx import (
    OnnxRuntimeMeasurer,
    _blocks_ms,
    _passes,
    block_of_names,
)
from se_nas.latency.pieces import module_names, prepared
from se_nas.latency.settings import LatencySettings, Signature
from se_nas.models.export import onnx_program

SIGNATURE = Signature(32, 3, 10)


def event(name: str, ts: int, dur: int, cat: str = "Node") -> dict[str, object]:
    return {"cat": cat, "name": name, "ts": ts, "dur": dur}


def test_operators_are_told_apart_by_pass() -> None:
    events = [
        event("model_run", 0, 99, "Session"),
        event("b_kernel_time", 20, 2000),
        event("a_kernel_time", 10, 1000),
        event("a_fence_before", 9, 5),
        event("a_kernel_time", 30, 3000),
        event("b_kernel_time", 40, 4000),
    ]
    assert _passes(events) == [[("a", 1.0), ("b", 2.0)], [("a", 3.0), ("b", 4.0)]]


def test_looking_takes_the_same_for_each_operator() -> None:
    names = {"conv": 0, "value": 0, "gemm": 1}
    passes = [[("conv_nchwc", 5.0), ("ReorderOutput_token_1", 2.0), ("fused gemm", 4.0)]]
    # 11 ms with a look, 8 without: each of three operators has one too much.
    assert _blocks_ms(passes, names, 8.0) == (5.0, 3.0)
    assert _blocks_ms(passes, names, 11.0) == (7.0, 4.0)
    assert _blocks_ms([[("value", 0.1), ("gemm", 9.0)]], names, 3.0) == (0.0, 5.95)


@pytest.mark.parametrize("name", ["se_resnet8_small_s3_r8_pre", "se_shufflenet_v2_x0_5_r4"])
def test_every_operator_is_of_the_block_that_it_is_in(name: str) -> None:
    model, images = prepared(
        Architecture.parse(name), Signature(32, 3, 10), LatencySettings(), "cpu"
    )
    pieces = module_names(model)
    owners = block_of_names(onnx_program(model, images, None).model_proto, pieces)
    assert set(owners.values()) == set(range(len(pieces)))
    assert len(pieces) == len(blocks(model.architecture, Signature(32, 3, 10)))


def test_a_real_measurement() -> None:
    settings = LatencySettings(backend="onnxruntime", batch=2, warm_up=1, repeats=5)
    measurer = OnnxRuntimeMeasurer(SIGNATURE, settings)
    network = Architecture.parse("se_resnet8_small_s2_r8_max_s3_r4_pre_hsigmoid")
    latency = measurer.measure(network)
    assert 0 < latency.q1_ms <= latency.median_ms <= latency.q3_ms
    profile = measurer.profile(network)
    assert len(profile.blocks_ms) == len(blocks(network, SIGNATURE))
    assert profile.whole_ms is not None
    assert sum(profile.blocks_ms) == pytest.approx(profile.whole_ms, rel=0.3)
    assert {file.suffix for file in measurer.folder.iterdir()} == {".onnx", ".json"}
    told = measurer.identity()
    assert told["backend"] == "onnxruntime"
    assert told["onnxruntime"][0].isdigit()
    measurer.close()
    assert not measurer.folder.exists()
