"""Timing with a clock of our own, and once with the real one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch

from se_nas import Architecture
from se_nas.latency.backends import IN_PROCESS
from se_nas.latency.blocks import blocks
from se_nas.latency.measure import Clock, LocalMeasurer, identity, processor
from se_nas.latency.pieces import cut, prepared
from se_nas.latency.settings import LatencySettings, Signature
from se_nas.models.materialize import materialize

SIGNATURE = Signature(32, 3, 10)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def clock(steps: list[float]) -> Clock:
    """A clock that goes on by the next of ``steps`` (ms) whenever it is read, 1 ms at the end."""
    now = [0.0]

    def mark() -> float:
        now[0] += steps.pop(0) if steps else 1.0
        return now[0]

    return Clock(mark, lambda marks: [b - a for a, b in pairwise(marks)])


@pytest.mark.parametrize(
    "name", ["resnet8_small", "vgg16_bn", "shufflenet_v2_x0_5", "shake_even_29_2x4x64d"]
)
def test_the_pieces_are_the_blocks_and_compute_the_network(name: str) -> None:
    model = materialize(name, num_classes=10).eval()
    signature = Signature(64, 3, 10)
    pieces = cut(model)
    assert len(pieces) == len(blocks(model.architecture, signature))
    images_nchw = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        x = images_nchw
        for piece in pieces:
            x = piece(x)
        assert torch.equal(x, model(images_nchw))


def test_the_median_of_the_passes_after_the_warm_up() -> None:
    settings = LatencySettings(warm_up=2, repeats=3)
    # A pass reads the clock before and after: the second step is its time.
    steps = [0, 100, 0, 100, 0, 4, 0, 7, 0, 5]
    measurer = LocalMeasurer(SIGNATURE, settings, host=clock([float(step) for step in steps]))
    latency = measurer.measure(Architecture("resnet8_small"))
    assert (latency.median_ms, latency.q1_ms, latency.q3_ms) == (5, 4.5, 6)


def test_a_profile_has_a_median_for_each_block_and_one_for_the_whole() -> None:
    settings = LatencySettings(warm_up=1, repeats=3)
    # Five blocks, hence six reads a pass; behind the first pass after the warm-up, a whole one.
    passes = [[0, 9, 9, 9, 9, 9], [0, 1, 2, 3, 4, 5], [0, 20], [0, 1, 2, 3, 4, 5], [0] + [7] * 5]
    steps = [float(step) for one in passes for step in one]
    measurer = LocalMeasurer(SIGNATURE, settings, host=clock(steps))
    profile = measurer.profile(Architecture("resnet8_small"))
    assert profile.blocks_ms == (1, 2, 3, 4, 5)
    assert profile.whole_ms == 20


def test_what_a_compiled_call_costs_by_itself_is_taken_off_each_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(IN_PROCESS, "compile", IN_PROCESS["eager"])  # nothing has to be compiled
    settings = LatencySettings(backend="compile", warm_up=0, repeats=1)
    # The whole first, 20 ms; then five blocks, and one that does nothing, in 3 ms.
    steps = [0, 20, 0, 4, 5, 6, 7, 2, 3]
    measurer = LocalMeasurer(SIGNATURE, settings, host=clock([float(step) for step in steps]))
    profile = measurer.profile(Architecture("resnet8_small"))
    assert profile.blocks_ms == (1, 2, 3, 4, 0)
    assert profile.whole_ms == 20


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_real_measurement(precision: str, channels_last: bool) -> None:
    settings = LatencySettings(
        batch=2, precision=precision, channels_last=channels_last, warm_up=1, repeats=3
    )
    measurer = LocalMeasurer(SIGNATURE, settings)
    architecture = Architecture.parse("se_resnet8_small_r4")
    latency = measurer.measure(architecture)
    assert 0 < latency.q1_ms <= latency.median_ms <= latency.q3_ms
    profile = measurer.profile(architecture)
    assert len(profile.blocks_ms) == len(blocks(architecture, SIGNATURE))
    assert min(profile.blocks_ms) > 0


@pytest.mark.parametrize(
    "name",
    [
        "se_mobilenet_v1_s1_r4_tanh_s3_r8_pre_tanh_s5_r32_conv3x3_hsigmoid",
        "se_resnet18_r16_tanh",
        "vgg16_bn",
    ],
)
def test_no_block_computes_on_numbers_that_are_next_to_nothing(name: str) -> None:
    signature = Signature(64, 3, 10)
    model, x = prepared(Architecture.parse(name), signature, LatencySettings(), "cpu")
    with torch.inference_mode():
        for piece in cut(model)[:-1]:
            x = piece(x)
            assert 1e-2 < x.abs().mean() < 1e4
            tiny = (x != 0) & (x.abs() < torch.finfo(torch.float32).tiny)
            assert not tiny.any()


def test_what_a_measurement_holds_for() -> None:
    one = LocalMeasurer(SIGNATURE, LatencySettings()).identity()
    assert one["device"] == processor() != ""
    assert one["torch"] == torch.__version__
    assert "cudnn" in identity("cpu")
    other = LocalMeasurer(SIGNATURE, LatencySettings(batch=4)).identity()
    assert one != other
    assert "cache" not in one


def test_the_network_that_is_timed_is_as_the_settings_say() -> None:
    settings = LatencySettings(batch=3, precision="bfloat16", channels_last=True, threads=1)
    LocalMeasurer(SIGNATURE, settings)
    model, images_nchw = prepared(Architecture("resnet8_small"), SIGNATURE, settings, "cpu")
    assert images_nchw.shape == (3, 3, 32, 32)
    assert images_nchw.dtype == next(model.parameters()).dtype == torch.bfloat16
    assert images_nchw.is_contiguous(memory_format=torch.channels_last)
    assert not model.training
    assert torch.get_num_threads() == 1
