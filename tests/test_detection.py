"""Faster R-CNN: the parameters of SPEC 1.11, a training step and inference on made images."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models import detection
from torchvision.ops import FrozenBatchNorm2d

import se_nas
from se_nas import InputError
from se_nas.cost.network_cost import cost
from se_nas.detection import faster_rcnn
from se_nas.trunks import families
from se_nas.trunks.resnet import ResNet

NEXT = "se_resnext50_32x4d-depths1.1.1.1-width8-groups4-group_width2_r4"
TINY = "se_resnet18-depths1.1.1.1-width8_r4"
SMALL = {"min_size": 64, "max_size": 96, "rpn_post_nms_top_n_train": 50, "box_score_thresh": 0.0}


def counts(model: nn.Module) -> tuple[int, int]:
    """All parameters, and those that are trained."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, _ in sizes), sum(n for n, trained in sizes if trained)


@pytest.mark.parametrize(
    ("name", "classes", "frozen", "expected"),
    [
        # reference.json, detectors_torchvision: ResNet-50 counts the batch norms' weights …
        ("resnet50", 81, False, (41_757_156, 41_757_156)),
        ("resnet50", 91, False, (41_808_406, 41_808_406)),
        ("se_resnet50_r16_nobias", 81, False, (44_272_100, 44_272_100)),
        ("se_resnet50_r16_nobias", 91, False, (44_323_350, 44_323_350)),
        # … and ResNet-101 does not: there they are constants.
        ("resnet101", 81, True, (60_643_940, 60_421_540)),
        ("resnet101", 91, True, (60_695_190, 60_472_790)),
    ],
)
def test_parameters_are_those_of_torchvisions_parts(
    name: str, classes: int, frozen: bool, expected: tuple[int, int]
) -> None:
    with torch.device("meta"):
        model = faster_rcnn(name, num_classes=classes, frozen=frozen)
    assert counts(model) == expected


@pytest.mark.parametrize(("classes", "expected"), [(81, 65_387_108), (91, 65_438_358)])
def test_parameters_of_se_resnet101(classes: int, expected: int) -> None:
    with torch.device("meta"):
        model = faster_rcnn("se_resnet101_r16_nobias", num_classes=classes, frozen=True)
    assert counts(model)[0] == expected


@pytest.mark.parametrize("name", families()["resnet"].named)
def test_every_resnet_and_resnext_can_be_the_trunk(name: str) -> None:
    """Its own parameters without the classifier's, and the pyramid's on its stages."""
    trunk = families()["resnet"].named[name]
    assert isinstance(trunk, ResNet)
    with torch.device("meta"):
        model = faster_rcnn(f"se_{name}_r16", frozen=False)
    channels = [trunk.c_out(number) for number in trunk.stages]
    pyramid = sum(c * 256 + 256 + 256 * 256 * 9 + 256 for c in channels)
    classifier = channels[-1] * 1000 + 1000
    body = cost(f"se_{name}_r16").params - classifier
    assert counts(model)[0] == body + pyramid + 593_935 + 14_362_055  # SPEC 1.11: RPN, heads


@pytest.mark.parametrize("trained", [False, True])
def test_the_detector_is_torchvisions(trained: bool) -> None:
    """On ``resnet50_tv``, under torchvision's own keys: the same losses, boxes and scores."""
    torch.manual_seed(0)
    size = {"min_size": 96, "max_size": 128, "box_score_thresh": 0.0}
    theirs = detection.fasterrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=5, **size
    )
    for norm in theirs.backbone.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.weight, 0.7, 1.3)
            nn.init.uniform_(norm.bias, -0.2, 0.2)
    ours = faster_rcnn("resnet50_tv", num_classes=5, **size)
    ours.load_state_dict(theirs.state_dict())
    images = [torch.rand(3, 96, 80), torch.rand(3, 72, 100)]
    targets = None
    if trained:
        boxes = torch.tensor([[8.0, 8.0, 60.0, 64.0]])
        targets = [{"boxes": boxes, "labels": torch.tensor([label])} for label in (1, 2)]
    found = []
    for model in (ours, theirs):
        torch.manual_seed(1)  # of the sampled proposals
        with torch.no_grad():
            found.append(model.train(trained)(images, targets))
    if trained:
        for key, loss in found[1].items():
            assert torch.allclose(found[0][key], loss, rtol=1e-5), key
        return
    for result, expected in zip(*found, strict=True):
        assert len(expected["boxes"]) > 10
        assert torch.equal(result["labels"], expected["labels"])
        assert torch.allclose(result["boxes"], expected["boxes"], rtol=1e-5, atol=1e-3)
        assert torch.allclose(result["scores"], expected["scores"], rtol=1e-5)


@pytest.mark.parametrize(("name", "frozen"), [(TINY, False), (TINY, True), (NEXT, False)])
def test_a_training_step_and_inference(name: str, frozen: bool) -> None:
    torch.manual_seed(0)
    model = faster_rcnn(name, num_classes=3, frozen=frozen, **SMALL)
    images = [torch.rand(3, 64, 80), torch.rand(3, 72, 64)]
    boxes = torch.tensor([[8.0, 8.0, 40.0, 44.0]])
    targets = [{"boxes": boxes, "labels": torch.tensor([label])} for label in (1, 2)]
    losses = model(images, targets)
    assert set(losses) == {
        "loss_classifier",
        "loss_box_reg",
        "loss_objectness",
        "loss_rpn_box_reg",
    }
    sum(losses.values()).backward()
    body = model.backbone.body
    before = {key: value.detach().clone() for key, value in model.named_parameters()}
    torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01).step()
    for key, parameter in model.named_parameters():
        still = frozen and key.startswith(("backbone.body.conv1", "backbone.body.stage2"))
        assert (parameter.grad is None) == still, key
        if still:
            assert torch.equal(parameter, before[key])
    for key in ("body.stage5.0.conv1", "body.stage5.0.se.fc2", "fpn.inner_blocks.0.0"):
        weight = f"backbone.{key}.weight"
        assert not torch.equal(model.get_parameter(weight), before[weight]), key
    assert body.stage5[0].se.fc2.weight.grad.abs().sum() > 0
    model.eval()
    with torch.no_grad():
        found = model(images)
    assert len(found) == 2
    for result, image in zip(found, images, strict=True):
        assert len(result["boxes"]) == len(result["labels"]) == len(result["scores"]) > 0
        assert result["boxes"].min() >= 0
        assert result["boxes"][:, 2].max() <= image.shape[2]


def test_weights_of_a_classifier_of_any_classes_go_into_the_trunk() -> None:
    source = se_nas.materialize(TINY, num_classes=7).eval()
    with torch.no_grad():
        for tensor in source.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.0)
    model = faster_rcnn(TINY, weights=source.state_dict()).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        ours, theirs = model.backbone.body.forward_stages(images), source.forward_stages(images)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-5)
    norms = [m for m in model.backbone.body.modules() if isinstance(m, nn.BatchNorm2d)]
    assert not norms
    assert any(isinstance(m, FrozenBatchNorm2d) for m in model.modules())


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("se_resnet50_tv_r16", "seresnet50"),
        ("se_resnext50_32x4d_r16", "legacy_seresnext50_32x4d"),
        ("resnext50_32x4d_tv", "resnext50_32x4d"),
    ],
)
def test_weights_of_timm_go_into_the_trunk(name: str, theirs: str) -> None:
    peer = timm.create_model(theirs, num_classes=3).eval()
    model = faster_rcnn(name, weights=peer.state_dict()).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        last, expected = (
            model.backbone.body.forward_stages(images)[-1],
            peer.forward_features(images),
        )
    assert torch.allclose(last, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_weights_of_another_lineage_are_refused() -> None:
    state = timm.create_model("seresnet50").state_dict()
    with pytest.raises(InputError, match="Use 'se_resnet50_tv_r16'"):
        faster_rcnn("se_resnet50_r16", weights=state)


def test_a_trunk_without_se_takes_se_in() -> None:
    plain = se_nas.materialize("resnet18-depths1.1.1.1-width8", num_classes=7).eval()
    model = faster_rcnn(TINY, weights=plain.state_dict(), missing_se="identity", frozen=False)
    model.eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        ours, theirs = model.backbone.body.forward_stages(images), plain.forward_stages(images)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a, b)


def test_trunks_with_three_stages_have_four_levels() -> None:
    model = faster_rcnn("se_resnet8_small_r4", num_classes=2, **SMALL).eval()
    with torch.no_grad():
        maps: dict[str, Tensor] = model.backbone(torch.zeros(1, 3, 64, 64))
        model([torch.rand(3, 64, 64)])
    assert [tuple(m.shape[2:]) for m in maps.values()] == [(64, 64), (32, 32), (16, 16), (8, 8)]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("se_mobilenet_v1_r16", {}, "family mobilenet_v1; a network of the family resnet"),
        ("se_resnt50_r16", {}, "did you mean 'se_resnet50_r16'"),
        ("se_resnet50_r16", {"num_classes": 1}, "at least 2"),
        ("resnet18", {"box_score_tresh": 0.1}, "did you mean 'box_score_thresh'"),
        ("resnet18", {"backbone": None}, "unknown setting of faster_rcnn 'backbone'"),
        ("se_resnet50_r16", {"weights": "/none.pth"}, "there is no file"),
    ],
)
def test_wrong_inputs(name: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        faster_rcnn(name, **arguments)  # type: ignore[arg-type]
