"""Modules without weights, and the layers that need them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import se_nas
from se_nas import Architecture
from se_nas.cost.layer_cost import chain_cost
from se_nas.errors import InputError
from se_nas.layers import Act, Concat, Conv, Pool, ScaledResidual, SEBlock, chain
from se_nas.nn.blocks import BUILD, Residual, Shake
from se_nas.nn.identity_init import init_identity
from se_nas.nn.ops import Flatten, Subsample, mix_at_random


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (6, 9), (7, 8)])
def test_subsample_picks_from_the_moved_map(shift: int, stride: int, size: tuple[int, int]) -> None:
    height, width = size
    x = torch.randn(2, 3, height, width)
    moved = torch.zeros_like(x)
    moved[:, :, shift:, shift:] = x[:, :, : height - shift, : width - shift]
    out = Subsample(5, stride, shift)(x)
    assert torch.equal(out[:, :3], moved[:, :, ::stride, ::stride])
    assert out.shape[1] == 5
    assert not out[:, 3:].any()


def test_flatten_keeps_the_order_of_a_map_of_its_side() -> None:
    x = torch.randn(2, 3, 7, 7)
    assert torch.allclose(Flatten(7)(x), x.reshape(2, -1))
    assert torch.allclose(Flatten(2)(torch.ones(1, 3, 9, 5)), torch.ones(1, 12))


@pytest.mark.parametrize(("kind", "corner"), [("avg", 4 / 9), ("avg_inside", 1.0)])
def test_only_one_mean_counts_the_padding(kind: str, corner: float) -> None:
    pool = BUILD[Pool](Pool(kind, stride=1, padding=1))  # type: ignore[arg-type]
    assert pool(torch.ones(1, 1, 4, 4))[0, 0, 0, 0].item() == pytest.approx(corner)


def gradients(backward: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Per image: the share of ``first`` in the output, of ``second``, and of the gradient."""
    torch.manual_seed(0)
    first = torch.zeros(64, 2, 3, 3, requires_grad=True)
    second = torch.ones(64, 2, 3, 3, requires_grad=True)
    mixed = mix_at_random(first, second, backward)  # type: ignore[arg-type]
    mixed.sum().backward()
    assert first.grad is not None
    assert second.grad is not None
    for each in (mixed, first.grad):
        assert torch.equal(each, each[:, :1, :1, :1].expand_as(each)), "one number an image"
    flat = (each[:, 0, 0, 0].detach() for each in (1 - mixed, mixed, first.grad, second.grad))
    a, other, b, rest = flat
    return a, other, b, rest


def test_shake_draws_forward_and_backward_independently() -> None:
    a, _, b, rest = gradients("shake")
    assert torch.allclose(b + rest, torch.ones(64))
    for share in (a, b):
        assert 0 <= share.min() < 0.1
        assert 0.9 < share.max() <= 1
    assert torch.corrcoef(torch.stack([a, b]))[0, 1].abs() < 0.35


def test_even_halves_the_gradient_only() -> None:
    a, _, b, rest = gradients("even")
    assert a.std() > 0.2
    assert torch.equal(b, torch.full((64,), 0.5))
    assert torch.equal(rest, b)


@pytest.mark.parametrize("name", ["shake_shake_26_2x96d", "shake_even_29_2x4x64d"])
def test_shake_networks_are_random_in_training_only(name: str) -> None:
    model = se_nas.materialize(f"se_{name}-depths1.1.1-width4_r2", num_classes=3).eval()
    kinds = {m.backward for m in model.modules() if isinstance(m, Shake)}
    assert kinds == {"even" if "even" in name else "shake"}
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        before = model(x)
        assert torch.equal(model(x), before)
        (shake, *_) = (m for m in model.modules() if isinstance(m, Shake))
        u = torch.randn(2, shake.get_submodule("first.conv1").weight.shape[1], 8, 8)  # type: ignore[union-attr]
        first, second = (getattr(shake, branch)(u) for branch in ("first", "second"))
        assert torch.allclose(shake(u), (first + second) / 2, atol=1e-5)
        model.train()
        assert not torch.equal(model(x), model(x))
    model(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    exported = torch.export.export(model.eval(), (x,)).module()
    assert torch.allclose(exported(x), model(x), atol=1e-5)


@pytest.mark.parametrize("se", [(), (("se", SEBlock(4, 2)),)])
def test_a_scaled_residual_scales_the_branch_alone(se: tuple[tuple[str, SEBlock], ...]) -> None:
    branch = (("conv", Conv(4, 4)), *se)
    plain, scaled = (Residual(ScaledResidual(branch, scale=scale)) for scale in (1.0, 0.25))
    scaled.load_state_dict(plain.state_dict())
    x = torch.randn(2, 4, 5, 5)
    assert torch.allclose(scaled(x) - x, 0.25 * (plain(x) - x), atol=1e-6)


def test_sides_that_do_not_meet_are_an_input_error() -> None:
    """The strided 3×3 is padded, the pool beside it is not: an odd side parts them."""
    branches = {"conv": chain(conv=Conv(4, 4, 3, 2)), "pool": chain(pool=Pool("max", ceil=True))}
    both = chain(concat=Concat(tuple(branches.items())))
    assert chain_cost(both, (4, 14, 14)).shape == (8, 7, 7)
    with pytest.raises(InputError, match=r"13×13 px becomes 6×6 and 7×7"):
        chain_cost(both, (4, 13, 13))


@pytest.mark.parametrize(
    "trunk",
    [
        "vgg16_bn-depths2.1.1.1.1-width4-stem.small",
        "inception_resnet_v2-depths1.1.2-width0.25-stem.small",
        "resnet110_preact-depths2.1.1-width4-stem_width4",
        "shake_shake_26_2x96d-depths1.1.1-width4",
    ],
)
def test_identity_se_behind_a_convolution_or_a_branch_changes_nothing(trunk: str) -> None:
    with_se = se_nas.materialize(f"se_{trunk}_r2", num_classes=3).eval()
    without = se_nas.materialize(trunk, num_classes=3).eval()
    state = {key: value for key, value in with_se.state_dict().items() if ".se." not in key}
    without.load_state_dict(state)
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = without(x)
        assert not torch.allclose(with_se(x), expected, rtol=1e-3)
        assert init_identity(with_se) == []
        assert torch.allclose(with_se(x), expected, rtol=1e-5, atol=1e-6)


def test_ids_of_the_new_layers_are_apart() -> None:
    names = ["shake_shake_26_2x96d", "shake_shake_26_2x96d-backward.even"]
    names += ["resnet110_preact", "resnet110_preact-shortcut.conv"]
    assert len({Architecture.parse(name).id for name in names}) == len(names)
    assert chain(relu=Act("relu")) != chain(relu=Act("relu6"))
