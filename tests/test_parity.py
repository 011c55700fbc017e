"""Somebody else's weights give the same outputs and gradients in our models (SPEC 3.1, 3.2).

The peers are torchvision's and timm's networks with random weights and random batch-norm
statistics: nothing is downloaded. Inputs are small but not square, so that a swapped axis or a
pooling at the border shows.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

import se_nas
from se_nas import trunks
from se_nas.errors import InputError

# In single precision two orders of summation part by some 1e-6 of the largest logit; a wrong
# stride, pooling or gate moves the logits by 3 % or more (SPEC 3.1).
OUTPUT_TOLERANCE = 1e-5
# Gradients are compared in double precision (measured: 3e-15 of each tensor's largest). In single
# precision a ReLU whose input is within rounding of 0 switches and moves a gradient by 1e-2.
GRADIENT_TOLERANCE = 1e-10

TORCHVISION = {
    "resnet18_tv": "resnet18",
    "resnet50_tv": "resnet50",
    "resnext50_32x4d_tv": "resnext50_32x4d",
    "mobilenet_v2": "mobilenet_v2",
    "mobilenet_v3_large": "mobilenet_v3_large",
    "mobilenet_v3_small": "mobilenet_v3_small",
    "shufflenet_v2_x0_5": "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0": "shufflenet_v2_x1_0",
    "vgg16_bn": "vgg16_bn",
    "wide_resnet50_2_tv": "wide_resnet50_2",
}
TIMM = {
    "se_resnet50_tv_r16": "seresnet50",
    "se_resnet50_r16": "legacy_seresnet50",
    "se_resnext50_32x4d_r16": "legacy_seresnext50_32x4d",
    "senet154": "legacy_senet154",
    "senet154_tv": "senet154",
    "mobilenet_v1": "mobilenetv1_100",
    "mobilenet_v1-width1.25": "mobilenetv1_125",
    "mobilenet_v2": "mobilenetv2_100",
    "mobilenet_v3_large_timm": "mobilenetv3_large_100",
    "mobilenet_v3_small_timm": "mobilenetv3_small_100",
    "vgg16_bn": "vgg16_bn",
    "inception_resnet_v2": "inception_resnet_v2",
    "wide_resnet50_2_tv": "wide_resnet50_2",
}
# Gradients of all their weights, in double precision, would take many gigabytes: only those of
# norms, biases and images, which go through the same backward pass.
LARGE = [("wide_resnet50_2_tv", "torchvision"), ("wide_resnet50_2_tv", "timm")]
LARGE += [("vgg16_bn", "torchvision"), ("vgg16_bn", "timm")]
PEERS = [
    *((ours, "torchvision", theirs) for ours, theirs in TORCHVISION.items()),
    *((ours, "timm", theirs) for ours, theirs in TIMM.items()),
]
V3_SE = "r4_mobile8_conv3x3_hsigmoid"
# The same blocks in another number or width: outputs alone.
SIBLINGS = [
    ("resnet34_tv", "torchvision", "resnet34"),
    ("resnet101_tv", "torchvision", "resnet101"),
    ("resnet152_tv", "torchvision", "resnet152"),
    ("resnext101_32x8d_tv", "torchvision", "resnext101_32x8d"),
    ("resnext101_64x4d_tv", "torchvision", "resnext101_64x4d"),
    ("wide_resnet101_2_tv", "torchvision", "wide_resnet101_2"),
    ("shufflenet_v2_x1_5", "torchvision", "shufflenet_v2_x1_5"),
    ("shufflenet_v2_x2_0", "torchvision", "shufflenet_v2_x2_0"),
    ("vgg16_bn-depths1.1.2.2.2", "torchvision", "vgg11_bn"),
    ("vgg16_bn-depths2.2.2.2.2", "torchvision", "vgg13_bn"),
    ("vgg16_bn-depths2.2.4.4.4", "torchvision", "vgg19_bn"),
    ("vgg16_bn-depths1.1.2.2.2", "timm", "vgg11_bn"),
    ("vgg16_bn-depths2.2.2.2.2", "timm", "vgg13_bn"),
    ("vgg16_bn-depths2.2.4.4.4", "timm", "vgg19_bn"),
    ("resnet18_tv", "timm", "resnet18"),
    ("resnet34_tv", "timm", "resnet34"),
    ("resnet50_tv-depths2.2.2.2", "timm", "resnet26"),
    ("resnet50_tv", "timm", "resnet50"),
    ("resnet101_tv", "timm", "resnet101"),
    ("resnet152_tv", "timm", "resnet152"),
    ("resnet50_tv-depths3.24.36.3", "timm", "resnet200"),
    ("resnext50_32x4d_tv", "timm", "resnext50_32x4d"),
    ("resnext101_32x4d_tv", "timm", "resnext101_32x4d"),
    ("resnext101_32x8d_tv", "timm", "resnext101_32x8d"),
    ("resnext101_64x4d_tv", "timm", "resnext101_64x4d"),
    ("wide_resnet101_2_tv", "timm", "wide_resnet101_2"),
    ("se_resnet18_tv_r16_round8", "timm", "seresnet18"),
    ("se_resnet34_tv_r16_round8", "timm", "seresnet34"),
    ("se_resnet101_tv_r16", "timm", "seresnet101"),
    ("se_resnet152_tv_r16", "timm", "seresnet152"),
    ("se_resnext50_32x4d_tv_r16", "timm", "seresnext50_32x4d"),
    ("se_resnext101_32x4d_tv_r16", "timm", "seresnext101_32x4d"),
    ("se_resnext101_32x8d_tv_r16", "timm", "seresnext101_32x8d"),
    ("se_resnext101_64x4d_tv_r16", "timm", "seresnext101_64x4d"),
    ("se_resnet101_r16", "timm", "legacy_seresnet101"),
    ("se_resnet152_r16", "timm", "legacy_seresnet152"),
    ("se_resnext50_32x4d-depths2.2.2.2_r16", "timm", "legacy_seresnext26_32x4d"),
    ("se_resnext101_32x4d_r16", "timm", "legacy_seresnext101_32x4d"),
    ("mobilenet_v2-width0.35", "timm", "mobilenetv2_035"),
    ("mobilenet_v2-width0.5", "timm", "mobilenetv2_050"),
    ("mobilenet_v2-width0.75", "timm", "mobilenetv2_075"),
    ("mobilenet_v2-width1.4", "timm", "mobilenetv2_140"),
    (f"se_mobilenet_v3_large_timm_trunk-width0.75_s356_{V3_SE}", "timm", "mobilenetv3_large_075"),
    (f"se_mobilenet_v3_small_timm_trunk-width0.75_s1345_{V3_SE}", "timm", "mobilenetv3_small_075"),
    (f"se_mobilenet_v3_small_timm_trunk-width0.5_s1345_{V3_SE}", "timm", "mobilenetv3_small_050"),
]
# Seconds each; a smaller network of the same blocks is always tried.
SECONDS = re.compile(
    r"(se_)?(senet154_tv|.*(152|101_32x8d|101_64x4d).*|wide_resnet101.*|vgg.*|.*36.*)"
)
# Hundreds of millions of weights; their figures are checked in test_golden.py.
HUGE = {"resnext101_32x16d", "resnext101_32x32d"}
# Alike by name, and other networks: no architecture of ours computes the same.
NO_TWIN = {
    "no batch norm": r"vgg\d+|resnet\d+_gn",
    "stem, pooling, shortcuts or activation": (
        r"(se)?resnet\d+[cdst]|resnet\d+t?s|resnet\d+q|seresnet33ts|(se)?resnext\d+[dt]_32x\dd"
        r"|(se)?resnext26ts|(se)?resnet(aa|blur|rs).*|seresnextaa.*"
    ),
    "attention pooling or another head": r"resnet50_mlp|resnet.*_clip(_gap)?|mobilenetv1_100h",
    "pre-activation with another stem, or weight standardisation": r"resnetv2_.*",
    "a further ReLU before SE (refused below)": r"legacy_seresnet(18|34)",
    "stem and head that do not widen": r"mobilenetv2_1[12]0d",
    "a head without bias, or other depths": r"mobilenetv3_rw|mobilenetv3_large_150d",
    "other generations": r"mobilenet_edgetpu.*|mobilenetv[45].*",
}
FAMILIES = (
    *("resnet*", "resnext*", "wide_resnet*", "seresnet*", "seresnext*", "legacy_se*", "senet*"),
    *("mobilenet*", "shufflenet*", "vgg*", "inception_resnet*", "bn_inception*", "bninception*"),
)


def slow_if_large(peers: list[tuple[str, str, str]]) -> list[Any]:
    return [
        pytest.param(*peer, marks=pytest.mark.slow) if SECONDS.fullmatch(peer[0]) else peer
        for peer in peers
    ]


def test_every_twin_is_compared() -> None:
    """What the installed libraries have by these families' names, and what becomes of it."""
    compared = {(library, theirs) for _, library, theirs in [*PEERS, *SIBLINGS]}
    left = set()
    for library, listed in (
        ("torchvision", torchvision.models.list_models(torchvision.models)),
        ("timm", timm.list_models()),
    ):
        for name in listed:
            ours = any(fnmatch.fnmatch(name, pattern) for pattern in FAMILIES)
            excused = any(re.fullmatch(pattern, name) for pattern in NO_TWIN.values())
            if ours and (library, name) not in compared:
                if not excused and name not in HUGE:
                    left.add((library, name))
            else:
                assert not (ours and excused), name
    assert not left


def peer(library: str, name: str) -> nn.Module:
    """Their network in ``eval`` with random weights, batch-norm statistics included."""
    torch.manual_seed(0)
    if library == "timm":
        model = timm.create_model(name, num_classes=10)
    else:
        model = torchvision.models.get_model(name, weights=None, num_classes=10)
    randomise(model, images(name))
    return model.eval()


def randomise(model: nn.Module, inputs: Tensor) -> None:
    """Random weights and batch-norm statistics under which the signal keeps its size.

    With statistics that know nothing of the signal the residual sums grow to 10⁶, the gates
    saturate and rounding is amplified until the comparison says nothing. So a pass over the
    images gives every batch norm the size of what comes in as its variance, channel by channel
    up to a third off.
    """
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.uniform_(module.bias, -0.5, 0.5)

    def set_statistics(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert isinstance(norm.running_mean, Tensor)
        assert isinstance(norm.running_var, Tensor)
        size = inputs[0].square().mean().sqrt()
        nn.init.uniform_(norm.weight, 0.7, 1.3)
        nn.init.uniform_(norm.bias, -0.2, 0.2)
        norm.running_mean.uniform_(-0.2, 0.2).mul_(size)
        norm.running_var.uniform_(0.7, 1.3).mul_(size**2)

    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(set_statistics) for norm in norms]
    with torch.no_grad():
        model.eval()(inputs)
    for hook in hooks:
        hook.remove()


def images(name: str = "") -> Tensor:
    # Inception-ResNet-v2 needs 75 px.
    size = (107, 81) if name == "inception_resnet_v2" else (96, 64)
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))


def difference(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, relative to the largest value."""
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


@pytest.mark.parametrize(("name", "library", "theirs"), slow_if_large(PEERS), ids=str)
def test_outputs_and_gradients_are_those_of_the_peer(name: str, library: str, theirs: str) -> None:
    their_model = peer(library, theirs)
    our_model = se_nas.materialize(name, num_classes=10, weights=their_model.state_dict()).eval()
    target = torch.randn(1, 10, generator=torch.Generator().manual_seed(2))

    with torch.no_grad():
        our_logits, their_logits = our_model(images(name)), their_model(images(name))
    assert difference(*their_logits) > 1e-2, "an output that ignores the image proves nothing"
    assert difference(our_logits, their_logits) <= OUTPUT_TOLERANCE

    for model in (our_model, their_model) if (name, library) in LARGE else ():
        for parameter in model.parameters():
            parameter.requires_grad_(parameter.ndim == 1)
    our_model.double()
    their_model.double()
    our_images = images(name)[:1, :, :81].double().requires_grad_()
    their_images = images(name)[:1, :, :81].double().requires_grad_()
    (our_model(our_images) * target).sum().backward()
    (their_model(their_images) * target).sum().backward()
    assert our_images.grad is not None
    assert their_images.grad is not None
    assert difference(our_images.grad, their_images.grad) <= GRADIENT_TOLERANCE
    # The layouts list the parameters in different orders, so pair them by their values.
    gradients: dict[bytes, Tensor] = {}
    for parameter in trained(their_model).values():
        assert parameter.grad is not None
        gradients[key_of(parameter)] = parameter.grad.flatten()
    assert len(gradients) == len(trained(our_model)), "a value stands twice"
    for key, parameter in trained(our_model).items():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().max() > 0, key
        gap = difference(parameter.grad.flatten(), gradients.pop(key_of(parameter)))
        assert gap <= GRADIENT_TOLERANCE, f"{key}: {gap:.1e}"
    assert not gradients


def trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {key: value for key, value in model.named_parameters() if value.requires_grad}


@pytest.mark.parametrize(("name", "library", "theirs"), slow_if_large(SIBLINGS), ids=str)
def test_outputs_are_those_of_the_peer(name: str, library: str, theirs: str) -> None:
    their_model = peer(library, theirs)
    our_model = se_nas.materialize(name, num_classes=10, weights=their_model.state_dict()).eval()
    with torch.no_grad():
        our_logits, their_logits = our_model(images(name)), their_model(images(name))
    assert difference(*their_logits) > 5e-3, "an output that ignores the image proves nothing"
    assert difference(our_logits, their_logits) <= OUTPUT_TOLERANCE


def key_of(parameter: Tensor) -> bytes:
    """The first values and the size of a random parameter: enough to know it again."""
    flat = parameter.detach().flatten()
    return bytes(flat[:16].numpy().tobytes()) + str(flat.numel()).encode()


def test_batch_norm_in_training_is_that_of_the_peer() -> None:
    """eps and momentum, which ``eval`` shows only in part: one step in ``train``."""
    their_model = peer("torchvision", "mobilenet_v3_small")
    state = {key: value.clone() for key, value in their_model.state_dict().items()}
    our_model = se_nas.materialize("mobilenet_v3_small", num_classes=10, weights=state)
    their_model.train()
    our_model.train()
    with torch.no_grad():
        our_model(images())
        their_model(images())
    their_model.eval()
    after = se_nas.materialize(
        "mobilenet_v3_small", num_classes=10, weights=their_model.state_dict()
    )
    their_model.load_state_dict(state)
    ours, before = our_model.state_dict(), after.state_dict()
    for key, value in before.items():
        assert difference(ours[key].double(), value.double()) <= OUTPUT_TOLERANCE, key


@pytest.mark.parametrize(
    ("asked", "library", "theirs", "right"),
    [
        ("vgg16_bn-stem.small", "torchvision", "vgg16_bn", "vgg16_bn"),
        ("vgg16_bn-stem.small", "timm", "vgg16_bn", "vgg16_bn"),
        ("inception_resnet_v2-stem.small", "timm", "inception_resnet_v2", "inception_resnet_v2"),
        ("se_resnet50_tv_r16", "timm", "legacy_seresnet50", "se_resnet50_r16"),
        ("se_resnet50_r16", "timm", "seresnet50", "se_resnet50_tv_r16"),
        ("resnet50", "torchvision", "resnet50", "resnet50_tv"),
        ("resnext50_32x4d", "torchvision", "resnext50_32x4d", "resnext50_32x4d_tv"),
        ("senet154", "timm", "senet154", "senet154_tv"),
        ("senet154_tv", "timm", "legacy_senet154", "senet154"),
        ("mobilenet_v1-stem.small", "timm", "mobilenetv1_100", "mobilenet_v1"),
        ("mobilenet_v2-stem.small", "torchvision", "mobilenet_v2", "mobilenet_v2"),
        ("mobilenet_v3_large", "timm", "mobilenetv3_large_100", "mobilenet_v3_large_timm"),
        ("mobilenet_v3_large_timm", "torchvision", "mobilenet_v3_large", "mobilenet_v3_large"),
        (
            "se_mobilenet_v3_small_trunk-stem.small_s1345_r4_mobile8_conv3x3_hsigmoid",
            "torchvision",
            "mobilenet_v3_small",
            "mobilenet_v3_small",
        ),
        (
            "shufflenet_v2_x1_0-stem.small",
            "torchvision",
            "shufflenet_v2_x1_0",
            "shufflenet_v2_x1_0",
        ),
    ],
)
def test_another_lineage_is_refused_with_the_right_name(
    asked: str, library: str, theirs: str, right: str
) -> None:
    weights = meta_state(library, theirs)
    with pytest.raises(InputError, match=rf"lineage.*Use '{re.escape(right)}'$"):
        se_nas.materialize(asked, weights=weights)


def test_our_own_checkpoint_of_the_other_lineage_is_refused_both_ways() -> None:
    for one, other in (
        ("resnet18", "resnet18_tv"),
        ("mobilenet_v3_small", "mobilenet_v3_small_timm"),
        ("mobilenet_v3_small_trunk-stem.small", "mobilenet_v3_small_timm_trunk-stem.small"),
    ):
        for asked, given in ((one, other), (other, one)):
            state = se_nas.materialize(given).state_dict()
            with pytest.raises(InputError, match=rf"Use '{re.escape(given)}'$"):
                se_nas.materialize(asked, weights=state)


@pytest.mark.parametrize(
    ("asked", "theirs"),
    [("se_resnet18_r16", "legacy_seresnet18"), ("se_resnet34_r16", "legacy_seresnet34")],
)
def test_a_network_that_none_of_ours_computes_is_refused_with_the_reason(
    asked: str, theirs: str
) -> None:
    with pytest.raises(InputError, match="further ReLU"):
        se_nas.materialize(asked, weights=meta_state("timm", theirs))


@pytest.mark.parametrize(
    ("asked", "library", "theirs"),
    [
        ("resnet101_tv", "torchvision", "resnet50"),
        ("mobilenet_v2-width0.75", "torchvision", "mobilenet_v2"),
        ("mobilenet_v3_large_trunk", "torchvision", "mobilenet_v3_large"),
        (
            "se_mobilenet_v3_small_trunk_r4_mobile8_conv3x3_hsigmoid",
            "torchvision",
            "mobilenet_v3_small",
        ),
        ("shufflenet_v2_x0_5", "torchvision", "shufflenet_v2_x1_0"),
        ("vgg16_bn-depths2.2.3.3.2", "torchvision", "vgg16_bn"),
        ("vgg16_bn", "torchvision", "vgg13_bn"),
        ("se_vgg16_bn_r16_max", "timm", "vgg16_bn"),
        ("inception_resnet_v2-depths10.20.9", "timm", "inception_resnet_v2"),
        ("wide_resnet101_2_tv", "torchvision", "wide_resnet50_2"),
        ("resnet50_tv", "torchvision", "wide_resnet50_2"),
        ("mobilenet_v1-width1.25", "timm", "mobilenetv1_100"),
    ],
)
def test_weights_of_another_size_or_another_se_are_refused(
    asked: str, library: str, theirs: str
) -> None:
    with pytest.raises(InputError, match="not one of"):
        se_nas.materialize(asked, weights=meta_state(library, theirs))


def meta_state(library: str, name: str) -> dict[str, Tensor]:
    """The keys and shapes of their 1000-class network, without values."""
    build: Callable[[], nn.Module] = (
        (lambda: timm.create_model(name))
        if library == "timm"
        else (lambda: torchvision.models.get_model(name, weights=None))
    )
    with torch.device("meta"):
        return build().state_dict()


@pytest.mark.parametrize(
    "name", ["se_resnet50_tv_r16_tanh", "se_resnet50_tv_r16_post", "se_resnet50_tv_r16_max"]
)
def test_foreign_se_weights_are_refused_by_other_se_blocks(name: str) -> None:
    """Gate, squeeze and post leave no trace in keys or shapes: they would load without a word."""
    peer = timm.create_model("seresnet50")
    with pytest.raises(InputError, match="has SE blocks with"):
        se_nas.materialize(name, weights=peer.state_dict())


def test_torchvisions_mobilenet_v3_is_refused_by_a_plain_sigmoid() -> None:
    peer = torchvision.models.mobilenet_v3_small()
    long = trunks.aliases()["mobilenet_v3_small"].replace("_hsigmoid", "")
    with pytest.raises(InputError, match="gate 'hard_sigmoid'"):
        se_nas.materialize(long, weights=peer.state_dict())
