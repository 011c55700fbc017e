"""Gates collected from networks, against the formula of the paper and by hand."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

import se_nas
from se_nas.data import Data, load
from se_nas.tasks.evaluate import images_for
from se_nas.tasks.gates import collect, replaced, shares_of_time, statistics_of


@pytest.fixture(scope="module")
def digits() -> Data:
    return load("digits", limit_train=300)


@pytest.mark.parametrize("name", ["se_resnet8_small_r8", "se_resnet8_small_r8_nosqueeze"])
def test_gates_are_what_the_block_scales_by(name: str, digits: Data) -> None:
    torch.manual_seed(0)
    model = se_nas.materialize(name, num_classes=10, in_channels=1).eval()
    images = images_for(model, digits, "val")
    found = collect(model, images, "cpu")
    assert [each.block for each in found] == ["stage2.0.se", "stage3.0.se", "stage4.0.se"]
    seen: list[torch.Tensor] = []
    block = model.get_submodule("stage3.0.se")
    handle = block.register_forward_hook(lambda m, given, _: seen.append(m.scale(given[0])))
    with torch.no_grad():
        model(torch.stack([images[i][0] for i in range(len(images))]))
    handle.remove()
    wanted = seen[0].mean((2, 3)).numpy()
    assert np.allclose(found[1].values, wanted, atol=1e-5)
    assert (found[1].labels == images.labels.numpy()).all()
    assert not any(m._forward_hooks for m in model.modules())


def test_variances_sum_to_that_over_images(digits: Data) -> None:
    model = se_nas.materialize("se_resnet8_small_r2", num_classes=10, in_channels=1)
    for each in collect(model, images_for(model, digits, "val"), "cpu"):
        found = statistics_of(each)
        whole = each.values.var(0).mean()
        assert found.between_classes + found.within_classes == pytest.approx(whole)
    assert model.training, "as it was"


def test_a_block_that_is_replaced_scales_by_constants(digits: Data) -> None:
    model = se_nas.materialize("se_resnet8_small_r8", num_classes=10, in_channels=1).eval()
    block = model.get_submodule("stage2.0.se")
    u_nchw = torch.randn(2, 16, 4, 4)
    before = block(u_nchw)
    factors = np.linspace(0, 2, 16)
    with replaced(model, {"stage2.0.se": factors}):
        scaled = u_nchw * torch.tensor(factors, dtype=torch.float32)[:, None, None]
        assert torch.equal(block(u_nchw), scaled)
    with replaced(model, {"stage2.0.se": None}):
        assert torch.equal(block(u_nchw), u_nchw)
    assert torch.equal(block(u_nchw), before)


def test_each_block_has_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model = se_nas.materialize("se_resnet8_small_s34_r4", num_classes=10, in_channels=1)
    names = ["stage3.0.se", "stage4.0.se"]
    now = [0.0]

    def passes(seconds: float) -> None:
        now[0] += seconds

    def clock() -> float:
        passes(1e-3)
        return now[0]

    monkeypatch.setattr(time, "perf_counter", clock)
    slow = model.get_submodule(names[1])
    slow.register_forward_pre_hook(lambda *_: passes(1.0))  # not its own time
    inner = slow.fc1  # type: ignore[union-attr]
    inner.register_forward_pre_hook(lambda *_: passes(9.0))  # type: ignore[union-attr]
    found = shares_of_time(model, names, torch.zeros(2, 1, 8, 8), passes=5)
    assert list(found) == names
    assert found[names[1]] == pytest.approx(0.9, abs=1e-3)
    assert found[names[0]] == pytest.approx(1e-4, abs=1e-5)
    assert model.training
    for module in model.modules():
        if module not in (slow, inner):
            assert not module._forward_hooks
            assert not module._forward_pre_hooks
