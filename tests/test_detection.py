"""Faster R-CNN: the parameters of SPEC 1.11, a training step and inference on made images."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

import se_nas
from se_nas import InputError
from se_nas.detection import faster_rcnn

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


@pytest.mark.parametrize("frozen", [False, True])
def test_a_training_step_and_inference(frozen: bool) -> None:
    torch.manual_seed(0)
    model = faster_rcnn(TINY, num_classes=3, frozen=frozen, **SMALL)
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
    for name, parameter in model.named_parameters():
        still = frozen and name.startswith(("backbone.body.conv1", "backbone.body.stage2"))
        assert (parameter.grad is None) == still, name
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
        ("se_resnet50_r16", {"weights": "/none.pth"}, "there is no file"),
    ],
)
def test_wrong_inputs(name: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        faster_rcnn(name, **arguments)  # type: ignore[arg-type]
