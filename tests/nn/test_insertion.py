"""``insert_se`` on torchvision's and timm's own networks: outputs stay equal bit for bit."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from se_nas import SE, InputError, choice, insert_se
from se_nas.nn.squeeze_excitation import SqueezeExcitation

# Blocks of each network, and those of them that have no SE of their own.
NETWORKS = {
    ("torchvision", "resnet18"): (8, 8),
    ("torchvision", "resnext50_32x4d"): (16, 16),
    ("torchvision", "mobilenet_v2"): (17, 17),
    ("torchvision", "mobilenet_v3_small"): (11, 2),
    ("torchvision", "shufflenet_v2_x0_5"): (16, 16),
    ("timm", "resnet18"): (8, 8),
    ("timm", "resnext50_32x4d"): (16, 16),
    ("timm", "mobilenetv2_100"): (17, 17),
    ("timm", "mobilenetv3_small_100"): (11, 2),
    ("timm", "seresnet50"): (16, 0),
}


def network(library: str, name: str) -> nn.Module:
    torch.manual_seed(0)
    if library == "timm":
        model = timm.create_model(name, num_classes=10)
    else:
        model = torchvision.models.get_model(name, num_classes=10)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.7, 1.3)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return model.eval()


def images() -> Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("library", "name"), NETWORKS)
@pytest.mark.parametrize(
    "se",
    [SE(), SE(8, "pre", "max"), SE(8, "post", gate="two_sigmoid"), SE(4, gate="relu")],
    ids=str,
)
def test_outputs_stay_equal(library: str, name: str, se: SE) -> None:
    model = network(library, name)
    with torch.no_grad():
        before = model(images())
        done = insert_se(model, se)
        assert torch.equal(model(images()), before)
        blocks, free = NETWORKS[library, name]
        assert len(done.changed) == free
        assert len(done.skipped) == blocks - free
        for entry in done.changed:
            wrapped = model.get_submodule(entry.module)
            (block,) = [m for m in wrapped.children() if isinstance(m, SqueezeExcitation)]
            assert not block.training
            assert block.fc1.in_features == entry.channels
            assert block.fc1.out_features == entry.squeeze_width == entry.channels // se.reduction
            assert isinstance(block.fc2.bias, Tensor)
            old = block.fc2.bias.clone()
            block.fc2.bias.fill_(5.0)
            assert not torch.equal(model(images()), before), f"{entry} is not in the path"
            block.fc2.bias.copy_(old)


@pytest.mark.parametrize(
    ("library", "name", "placement", "gate"),
    [
        ("torchvision", "resnet50", "conv3x3", "sigmoid"),
        ("torchvision", "resnet50", "identity", "two_sigmoid"),
        ("timm", "resnet50", "identity", "two_sigmoid"),
        ("torchvision", "shufflenet_v2_x0_5", "conv3x3", "sigmoid"),
        ("timm", "mobilenetv1_100", "conv3x3", "sigmoid"),
        ("timm", "mobilenetv1_100", "standard", "two_sigmoid"),
    ],
)
def test_other_places(library: str, name: str, placement: Any, gate: Any) -> None:
    model = network(library, name)
    with torch.no_grad():
        before = model(images())
        done = insert_se(model, SE(8, placement, gate=gate))
        assert torch.equal(model(images()), before)
    assert {entry.placement for entry in done.changed} == {placement}
    if placement == "conv3x3" and name == "resnet50":
        assert done.changed[0].channels == 64


def test_it_learns_and_follows_the_models_type() -> None:
    model = network("torchvision", "resnet18").double().train()
    done = insert_se(model, SE(4))
    model(images().double()).square().sum().backward()
    for entry in done.changed:
        block = model.get_submodule(entry.module)[1]  # type: ignore[index]
        assert block.training
        assert block.fc2.weight.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("layer4.*", ["layer4.0", "layer4.1"]),
        (["layer1.0", "layer2.1"], ["layer1.0", "layer2.1"]),
        (lambda name: name.endswith(".1") and "3" in name, ["layer3.1"]),
    ],
)
def test_where(where: Any, expected: list[str]) -> None:
    done = insert_se(network("torchvision", "resnet18"), where=where)
    assert [entry.block for entry in done.changed] == expected


def test_a_second_time_nothing_changes() -> None:
    model = network("torchvision", "resnet18")
    first = insert_se(model)
    again = insert_se(model)
    assert not again.changed
    assert list(again.skipped) == [entry.block for entry in first.changed]


@pytest.mark.parametrize(
    ("library", "name", "se", "where", "message"),
    [
        ("torchvision", "vgg11", SE(), None, "supported: BasicBlock and Bottleneck of torchvision"),
        ("torchvision", "resnet18", SE(), "stage9.*", r"none of the 8 blocks, layer1.0 … layer4.1"),
        ("torchvision", "resnet18", SE(placement="conv3x3"), None, "BasicBlock.* no such place"),
        ("torchvision", "mobilenet_v2", SE(placement="identity"), None, "no such place"),
        ("torchvision", "resnet18", SE(placement="post"), None, "8 blocks.*gate two_sigmoid can"),
        ("timm", "mobilenetv1_100", SE(), None, "13 blocks.*gate two_sigmoid can"),
        ("timm", "resnet18", SE(gate="relu", bias=False), None, "cannot stay equal"),
    ],
)
def test_refused_and_unchanged(
    library: str, name: str, se: SE, where: str | None, message: str
) -> None:
    model = network(library, name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(InputError, match=message):
        insert_se(model, se, where)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], value) for key, value in after.items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet50",), "takes a torch.nn.Module, not a str"),
        ((nn.Identity(), "r16"), "se is 'r16'; give one setting such as"),
        ((nn.Identity(), SE(reduction=choice(4, 8))), "se is SE.*; give one setting"),
        ((nn.Identity(), SE(), 5), "where is 5; give patterns"),
        ((nn.Identity(), SE(), [1]), r"where is \[1\]; give patterns"),
    ],
)
def test_wrong_arguments(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        insert_se(*arguments)
