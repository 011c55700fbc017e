"""Strided 1×1 convolutions of few channels: the same numbers, and no crash in any layout."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest
import torch
from torch import nn

from se_nas import layers, materialize
from se_nas.nn.blocks import BUILD
from se_nas.nn.narrow import NarrowPointwise


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("size", [(8, 12), (7, 9), (1, 1)])
def test_equals_the_plain_convolution(size: tuple[int, int], stride: int, bias: bool) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(6, 5, 1, stride, bias=bias).double()
    narrow = NarrowPointwise(6, 5, 1, stride, bias=bias).double()
    narrow.load_state_dict(plain.state_dict())
    outs, grads = [], []
    for conv in (plain, narrow):
        x = torch.randn(2, 6, *size, dtype=torch.double, generator=torch.Generator().manual_seed(1))
        x.requires_grad_()
        out = conv(x)
        out.square().sum().backward()
        outs.append(out)
        grads.append([x.grad, *(p.grad for p in conv.parameters())])
    torch.testing.assert_close(outs[1], outs[0])
    for ours, theirs in zip(grads[1], grads[0], strict=True):
        torch.testing.assert_close(ours, theirs)


def test_only_strided_pointwise_convolutions_of_few_channels_are_so() -> None:
    wide = (layers.Conv(16, 4, 1, 2), layers.Conv(8, 4), layers.Conv(8, 4, 3, 2))
    few = (layers.Conv(15, 4, 1, 2), layers.Conv(64, 64, 1, 2, groups=8))
    assert not any(isinstance(BUILD[layers.Conv](conv), NarrowPointwise) for conv in wide)
    assert all(isinstance(BUILD[layers.Conv](conv), NarrowPointwise) for conv in few)
    for name in ("resnet50", "resnet110_preact", "wide_resnet50_2_tv", "shake_shake_26_2x96d"):
        assert not any(isinstance(m, NarrowPointwise) for m in materialize(name).modules()), name


# A process of its own: with the plain convolution it ends in SIGSEGV or SIGABRT, hangs, or learns
# from wrong gradients, on CPUs with AVX2 below 8 channels and with AVX-512 below 16.
STEPS = """
import sys, torch, se_nas
torch.manual_seed(0)
torch.set_num_threads(int(sys.argv[1]))
torch.use_deterministic_algorithms(True)
layouts = {"last": torch.channels_last, "first": torch.contiguous_format}
for name in sys.argv[4:]:
    model = se_nas.materialize(name, num_classes=3).to(memory_format=layouts[sys.argv[2]])
    exact = se_nas.materialize(name, num_classes=3).double()
    exact.load_state_dict(model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    for step in range(3):
        x = torch.randn(32, 3, 32, 32)
        model.zero_grad()
        model(x.to(memory_format=layouts[sys.argv[3]])).square().sum().backward()
        if step == 0:
            exact(x.double()).square().sum().backward()
            for (path, p), q in zip(model.named_parameters(), exact.parameters()):
                gap = float((p.grad - q.grad).norm() / q.grad.norm().clamp_min(1e-6))
                assert "fc" in path or gap < 0.05, (name, path, gap)
        optimizer.step()
print("done")
"""
NETWORKS = [f"se_resnet8_small-width{width}_r2" for width in (4, 6, 12)]
NETWORKS += [
    "se_resnet110_preact-depths1.1.1-stem_width4-width4-shortcut.conv_r2",
    "se_resnet18-depths1.1-width4_r2",
]


@pytest.mark.parametrize(
    ("threads", "weights", "images"),
    [(1, "last", "last"), (2, "last", "last"), (1, "first", "last")],
)
def test_narrow_networks_are_trained(threads: int, weights: str, images: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STEPS, str(threads), weights, images, *NETWORKS],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[-500:]


def test_an_optimized_copy_computes_the_same() -> None:
    import se_nas

    for name, dtype in itertools.product(NETWORKS[1:3], (torch.float, torch.double)):
        model = materialize(name, num_classes=3).to(dtype).eval()
        x = torch.randn(2, 3, 32, 32, dtype=dtype)
        with torch.no_grad():
            torch.testing.assert_close(
                se_nas.optimize_for_inference(model)(x), model(x), rtol=1e-3, atol=1e-5
            )
