"""Faster R-CNN with a feature pyramid on our ResNets and ResNeXts (SPEC 1.11)."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from typing import Any

from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from se_nas.architecture.architecture import Architecture
from se_nas.errors import InputError, unknown
from se_nas.models.checkpoint_files import Weights
from se_nas.models.materialize import materialize
from se_nas.models.weights import MissingSE
from se_nas.nn.model import Model
from se_nas.trunks.resnet import ResNet
from se_nas.values import whole

PYRAMID_CHANNELS = 256
FIRST_ANCHOR = 32  # side in pixels on the finest level; every further level doubles it
ASPECT_RATIOS = (0.5, 1.0, 2.0)
SETTINGS = tuple(
    name
    for name, parameter in inspect.signature(FasterRCNN.__init__).parameters.items()
    if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    and name not in ("self", "backbone", "num_classes")
)


class Backbone(nn.Module):
    """Stem and stages of a trunk, and a feature pyramid on the stages' maps."""

    def __init__(self, body: Model) -> None:
        super().__init__()
        trunk = body.architecture.trunk
        assert isinstance(trunk, ResNet)
        for name in body.head_names:
            delattr(body, name)
        body.head_names = ()
        self.body = body
        channels = [trunk.c_out(number) for number in trunk.stages]
        self.fpn = FeaturePyramidNetwork(channels, PYRAMID_CHANNELS, LastLevelMaxPool())
        self.out_channels = PYRAMID_CHANNELS
        self.levels = [str(i) for i in range(len(channels))]

    def forward(self, images_nchw: Tensor) -> dict[str, Tensor]:
        maps = self.body.forward_stages(images_nchw)
        pyramid: dict[str, Tensor] = self.fpn(OrderedDict(zip(self.levels, maps, strict=True)))
        return pyramid


def faster_rcnn(
    name_or_architecture: str | Architecture,
    *,
    num_classes: int = 91,
    weights: Weights | None = None,
    missing_se: MissingSE = "error",
    frozen: bool | None = None,
    **settings: Any,
) -> FasterRCNN:
    """Build torchvision's Faster R-CNN on a feature pyramid over the stages of a trunk.

    Args:
        name_or_architecture: a network of the family resnet, such as ``"se_resnet50_r16"``.
        num_classes: classes of the detector, the background included.
        weights: a classification checkpoint of the network, as in ``materialize``; its
            classifier, whatever its classes, is not used.
        missing_se: as in ``materialize``.
        frozen: as the paper's detectors are trained (SPEC 1.11): stem and first stage are not
            trained, and every batch norm of the trunk is a constant. By default so if ``weights``
            are given: in a fresh trunk these constants would say nothing.
        settings: what torchvision's ``FasterRCNN`` takes: ``min_size``, ``box_score_thresh``, …

    Returns:
        A torchvision model: a list of images (and targets in training) → losses or boxes. SE
        blocks pool over the padding of smaller images in a batch, so that a detection depends a
        little on what else is in the batch; use a batch of one where that matters.

    Raises:
        InputError: the network is of another family, the weights do not fit, or torchvision's
            ``FasterRCNN`` has no such setting.

    >>> model = faster_rcnn("se_resnet50_r16_nobias", num_classes=81)
    >>> sum(p.numel() for p in model.parameters())
    44272100
    """
    architecture = Architecture.of(name_or_architecture)
    if not isinstance(architecture.trunk, ResNet):
        raise InputError(
            f"faster_rcnn: {architecture} is of the family {architecture.trunk.family}; "
            "a network of the family resnet is needed, such as se_resnet50_r16"
        )
    background = ": the background is one of them"
    num_classes = whole("num_classes", num_classes, 2, hint=background)
    # FasterRCNN itself takes any keyword without a word.
    for setting in settings:
        if setting not in SETTINGS:
            raise unknown("setting of faster_rcnn", setting, SETTINGS)
    body = materialize(architecture, weights=weights, missing_se=missing_se, new_head=True)
    backbone = Backbone(body)
    if weights is not None if frozen is None else frozen:
        freeze(body)
    levels = len(backbone.levels) + 1
    anchors = AnchorGenerator(
        tuple((FIRST_ANCHOR << level,) for level in range(levels)), (ASPECT_RATIOS,) * levels
    )
    pooler = MultiScaleRoIAlign(backbone.levels, output_size=7, sampling_ratio=2)
    settings = {"rpn_anchor_generator": anchors, "box_roi_pool": pooler} | settings
    return FasterRCNN(backbone, num_classes, **settings)


def freeze(body: Model) -> None:
    """Stop training stem and first stage, and make every batch norm a constant."""
    for name in (*body.stem_names, body.stage_names[0]):
        getattr(body, name).requires_grad_(False)
    for path, module in list(body.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            constant = FrozenBatchNorm2d(module.num_features, module.eps)
            state = {k: v for k, v in module.state_dict().items() if k != "num_batches_tracked"}
            constant.load_state_dict(state)
            parent, _, name = path.rpartition(".")
            setattr(body.get_submodule(parent), name, constant.to(module.weight))
