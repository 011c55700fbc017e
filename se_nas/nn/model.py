"""``Model``: the network of an architecture, with fresh weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from se_nas.architecture.architecture import Architecture
from se_nas.nn.blocks import add, sequential
from se_nas.nn.squeeze_excitation import SqueezeExcitation
from se_nas.values import whole


class Model(nn.Module):
    """A network of an ``Architecture``: stem, stages and head as direct children.

    Attributes:
        architecture: the value that it was built from.
        num_classes, in_channels: as given to ``materialize``.
        preprocessing: how a picture becomes its input (``se_nas.data.Preprocessing``), if a file or
            a data set said so; else None.
        folded: whether this is the work of ``optimize_for_inference``.
    """

    def __init__(self, architecture: Architecture, num_classes: int, in_channels: int) -> None:
        super().__init__()
        network = architecture.network(num_classes=num_classes, in_channels=in_channels)
        self.architecture = architecture
        self.num_classes, self.in_channels = num_classes, in_channels
        self.preprocessing: Any = None
        self.folded = False
        self.stem_names = add(self, network.stem)
        self.stage_names = tuple(name for name, _ in network.stages)
        for name, blocks in network.stages:
            self.add_module(name, sequential(blocks))
        self.head_names = add(self, network.head)
        _initialise(self)

    def forward_stages(self, x_nchw: Tensor) -> list[Tensor]:
        """Return the map (N, C, h, w) behind every stage, the first stage's first."""
        for name in self.stem_names:
            x_nchw = getattr(self, name)(x_nchw)
        maps: list[Tensor] = []
        for name in self.stage_names:
            x_nchw = getattr(self, name)(x_nchw)
            maps.append(x_nchw)
        return maps

    def forward_features(self, x_nchw: Tensor) -> Tensor:
        """Return the last stage's map: (N, in_channels, H, W) → (N, C, h, w)."""
        for name in (*self.stem_names, *self.stage_names):
            x_nchw = getattr(self, name)(x_nchw)
        return x_nchw

    def forward_head(self, x_nchw: Tensor, pre_logits: bool = False) -> Tensor:
        """Return logits (N, num_classes) of the last stage's map, or the classifier's input."""
        for name in self.head_names[: -1 if pre_logits else None]:
            x_nchw = getattr(self, name)(x_nchw)
        return x_nchw

    @property
    def num_features(self) -> int:
        """Values that go into the classifier for each image."""
        return self.get_classifier().in_features

    def get_classifier(self) -> nn.Linear:
        """Return the last layer."""
        classifier = getattr(self, self.head_names[-1])
        assert isinstance(classifier, nn.Linear), "every trunk's head ends in a Linear"
        return classifier

    def reset_classifier(self, num_classes: int) -> None:
        """Put a fresh classifier of ``num_classes`` classes in the place of the last layer."""
        num_classes = whole("num_classes", num_classes, 1)
        old = self.get_classifier()
        like = {"device": old.weight.device, "dtype": old.weight.dtype}
        fresh = nn.Linear(old.in_features, num_classes, old.bias is not None, **like)
        nn.init.normal_(fresh.weight, 0.0, 0.01)
        if fresh.bias is not None:
            nn.init.zeros_(fresh.bias)
        setattr(self, self.head_names[-1], fresh)
        self.num_classes = num_classes
        if self.preprocessing is not None:  # the names were those of the old classes
            self.preprocessing = replace(self.preprocessing, classes=())

    def forward(self, x_nchw: Tensor) -> Tensor:
        x_nchw = self.forward_features(x_nchw)
        return self.forward_head(x_nchw)


def _initialise(model: nn.Module) -> None:
    """Initialise as He (the paper's ref. 66), in SE blocks too; the classifier N(0, 0.01)."""
    excitations = {
        id(fc)
        for se in model.modules()
        if isinstance(se, SqueezeExcitation)
        for fc in (se.fc1, se.fc2)
    }
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear) and id(module) in excitations:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01)
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
            nn.init.zeros_(module.bias)
