"""The copy for inference computes what the model does, and does less."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import nn

from se_nas import SE, Architecture, InputError, materialize, optimize_for_inference
from se_nas.nn.blocks import Residual
from se_nas.nn.fused import EarlyResidual, FusedResidual
from se_nas.nn.model import Model
from se_nas.nn.squeeze_excitation import SqueezeExcitation

TINY = [
    "resnet18-depths1.1-width8-stem.small",
    "resnet50-depths1.1-width8-stem.small",
    "mobilenet_v1-width0.25-depths1.1.2.1.1-stem.small",
    "mobilenet_v2-width0.25-depths1.2.1.1.1.1.1-stem.small",
    "mobilenet_v3_small_trunk-width0.25-stem.small",
    "shufflenet_v1_g2-scale0.25-depths2.2.1-stem.small",
    "shufflenet_v2_x0_5-depths2.2.1-stem.small",
    "vgg16_bn-depths2.1.1.2.1-width8-stem.small",
    "bn_inception-width0.25-stem.small",
    "inception_resnet_v2-depths1.2.2-width0.25-stem.small",
    "resnet164_preact-depths2.2.1-width4",
    "shake_shake_26_2x96d-depths2.2.1-width8",
    "shake_even_29_2x4x64d-depths2.2.1-width4-groups2",
]


def randomised(model: Model) -> Model:
    """Batch norms that do something, in ``eval`` too."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                assert tensor is not None
                tensor.uniform_(0.7, 1.3)
            for tensor in (module.bias.data, module.running_mean):
                assert tensor is not None
                tensor.uniform_(-0.2, 0.2)
    return model


@pytest.mark.parametrize(
    ("tiny", "squeeze"), list(itertools.product(TINY, ("avg", "max", "avgmax", "none")))
)
def test_outputs_are_equal_in_every_placement(tiny: str, squeeze: Any) -> None:
    trunk = Architecture.parse(tiny).trunk
    images = torch.randn(3, 3, 32, 32)
    for placement in (None, *trunk.placements):
        se = None if placement is None else SE(4, placement, squeeze)  # type: ignore[arg-type]
        model = randomised(materialize(Architecture(trunk, se), num_classes=5))
        before = {key: value.clone() for key, value in model.state_dict().items()}
        fast = optimize_for_inference(model)
        assert not fast.training
        with torch.no_grad():
            expected = model.eval()(images)
            gap = (fast(images) - expected).abs().max() / expected.abs().max()
        assert gap < 1e-4, placement
        assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    "name", ["se_resnet18_r16", "se_mobilenet_v2_r16", "se_shufflenet_v1_g3_r16"]
)
def test_batch_norms_are_gone(name: str) -> None:
    fast = optimize_for_inference(materialize(name))
    assert not [m for m in fast.modules() if isinstance(m, nn.BatchNorm2d)]
    assert not [p for p in fast.parameters() if p.requires_grad]


def test_widening_bottlenecks_pool_early() -> None:
    model = randomised(materialize("se_resnet50-depths1.1.1.1-width8_r16_nobias", num_classes=3))
    fast = optimize_for_inference(model)
    blocks = [m for m in fast.modules() if isinstance(m, EarlyResidual)]
    assert len(blocks) == 4
    assert not [m for m in fast.modules() if isinstance(m, Residual)]
    for block in blocks:
        assert block.se.fc1.in_features == block.conv.in_channels < block.conv.out_channels
    images = torch.randn(2, 3, 64, 48)
    with torch.no_grad():
        expected = model.eval()(images)
        assert (fast(images) - expected).abs().max() < 1e-4 * expected.abs().max()


def test_narrowing_ends_and_other_squeezes_do_not() -> None:
    for name in ("se_mobilenet_v2_r16", "se_resnet50_tv-depths1.1.1.1_r16_max", "se_resnet18_r16"):
        fast = optimize_for_inference(materialize(name))
        assert not [m for m in fast.modules() if isinstance(m, EarlyResidual)], name
        assert [m for m in fast.modules() if isinstance(m, SqueezeExcitation)], name


def test_only_our_models() -> None:
    with pytest.raises(InputError, match="not a Linear"):
        optimize_for_inference(nn.Linear(2, 2))  # type: ignore[arg-type]
    assert isinstance(optimize_for_inference(materialize("resnet8_small")), Model)


def test_only_convolutions_on_large_maps_go_to_onednn() -> None:
    model = materialize("resnet50_tv-depths1.1.1.1-width8")
    for size, expected in ((224, {"layer1", "layer2"}), (64, set[str]())):
        fast = optimize_for_inference(model, size)
        dilated = {
            name.split(".")[0]
            for name, m in fast.named_modules()
            if isinstance(m, nn.Conv2d) and m.dilation != (1, 1)
        }
        # A stage's first 1×1 still sees the larger map of the stage before.
        assert dilated - {"layer3"} == expected


def test_every_residual_block_is_fused_but_those_that_a_user_changed() -> None:
    torch.manual_seed(0)
    model = randomised(materialize("se_resnet18-depths2.1-width8-stem.small_r4", num_classes=3))
    images = torch.randn(2, 3, 32, 32)
    seen: list[nn.Module] = []
    first, second, third = (m for m in model.modules() if isinstance(m, Residual))
    first.se.register_forward_hook(lambda module, _, __: seen.append(module))  # type: ignore[operator,union-attr]
    second.se = nn.Sequential(second.se)  # type: ignore[arg-type]
    third.bn2 = nn.Identity()
    fast = optimize_for_inference(model)
    assert len([m for m in fast.modules() if isinstance(m, Residual)]) == 2
    assert len([m for m in fast.modules() if isinstance(m, FusedResidual)]) == 1
    seen.clear()  # the example's pass
    with torch.no_grad():
        torch.testing.assert_close(fast(images), model.eval()(images), rtol=1e-4, atol=1e-5)
    assert len(seen) == 2, "the hooked block's hook runs in the copy and in the model"


@pytest.mark.parametrize("name", ["resnet8_small", "se_resnet50-depths1.1-width8-stem.small_r4"])
def test_a_copy_gives_gradients_of_images_and_can_be_exported(name: str) -> None:
    model = randomised(materialize(name, num_classes=3)).eval()
    fast = optimize_for_inference(model)
    found: list[torch.Tensor] = []
    for network in (model, fast, torch.export.export(fast, (torch.randn(2, 3, 32, 32),)).module()):
        images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        network(images.requires_grad_()).square().sum().backward()
        assert images.grad is not None
        found.append(images.grad)
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-3, atol=1e-5)
