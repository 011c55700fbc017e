"""MobileNet v1 (Howard et al. 2017, Table 1; SPEC 1.7), with timm's ReLU6.

The SE paper does not say where SE goes in a unit that has no shortcut. Its printed figures (4.7 M
parameters, 572 M multiply-adds) single out the output of each pointwise convolution; whether
before or behind the ReLU they cannot tell, and here it is behind (SPEC 0.10, 1.7):

=========  ==========================================================
placement  where
=========  ==========================================================
standard   behind pointwise convolution, batch norm and activation
pre        at the start of the unit
conv3x3    behind depthwise convolution, batch norm and activation
=========  ==========================================================

Without a shortcut there is neither a post nor an identity place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from se_nas.layers import (
    Act,
    Chain,
    Conv,
    GlobalPool,
    Group,
    Linear,
    Norm,
    chain,
    make_divisible,
)
from se_nas.se import SE
from se_nas.trunks.base import Family, Layout, Staged, place
from se_nas.trunks.checks import (
    STEMS,
    by_module,
    check_choice,
    check_depths,
    check_multiplier,
    of_stage,
)

CHANNELS = (64, 128, 256, 512, 1024)
STEM_CHANNELS = 32
RELU6 = Act("relu6")


@dataclass(frozen=True)
class MobileNetV1(Staged):
    """Settings of a MobileNet v1. A stage is the run of units with one output width.

    Attributes:
        width: the paper's width multiplier α; channels are rounded as in timm (to 8).
        depths: units in each of the five stages.
        stem: ``imagenet`` (3×3 stride 2) or ``small`` (3×3 stride 1, for 28–64 px).
    """

    family: ClassVar[str] = "mobilenet_v1"

    width: float = 1.0
    depths: tuple[int, ...] = (1, 2, 2, 6, 2)
    stem: Literal["imagenet", "small"] = "imagenet"

    def __post_init__(self) -> None:
        check_multiplier(self, "width")
        check_depths(self, len(CHANNELS))
        check_choice(self, "stem", STEMS)

    @property
    def stages(self) -> tuple[int, ...]:
        return (1, 2, 3, 4, 5)

    @property
    def placements(self) -> tuple[str, ...]:
        return ("standard", "pre", "conv3x3")

    @property
    def stem_channels(self) -> int:
        return make_divisible(STEM_CHANNELS * self.width)

    def c_out(self, number: int) -> int:
        return make_divisible(of_stage(CHANNELS, self, number) * self.width)

    def stem_layers(self, in_channels: int) -> Chain:
        width, stride = self.stem_channels, 1 if self.stem == "small" else 2
        return chain(
            conv_stem=Conv(in_channels, width, 3, stride), bn_stem=Norm(width), act_stem=RELU6
        )

    def head_layers(self, num_classes: int) -> Chain:
        return chain(pool=GlobalPool(), fc=Linear(self.c_out(5), num_classes))

    def unit(self, number: int, first: bool, se: SE | None) -> Group:
        c_out = self.c_out(number)
        c_in = c_out
        if first:
            c_in = self.stem_channels if number == 1 else self.c_out(number - 1)
        stride = 2 if first and number > 1 else 1
        branch = chain(
            conv_dw=Conv(c_in, c_in, 3, stride, groups=c_in),
            bn1=Norm(c_in),
            act1=RELU6,
            conv_pw=Conv(c_in, c_out, 1),
            bn2=Norm(c_out),
            act2=RELU6,
        )
        return Group(place(se, branch, c_in=c_in, c_out=c_out, middle=("act1", c_in)).branch)


def _layouts(trunk: MobileNetV1) -> tuple[Layout, ...]:
    prefixes = {"bn1": "bn_stem", "classifier": "fc"}
    for number, depth in zip(trunk.stages, trunk.depths, strict=True):
        for i in range(depth):
            for module in ("conv_dw", "bn1", "conv_pw", "bn2"):
                prefixes[f"blocks.{number - 1}.{i}.{module}"] = f"stage{number}.{i}.{module}"
    why = "its stem has stride 2"
    imagenet = replace(trunk, stem="imagenet")
    return (Layout("timm's", r"^blocks\.0\.0\.", by_module(prefixes), imagenet, why),)


FAMILY = Family(trunk=MobileNetV1, named={"mobilenet_v1": MobileNetV1()}, layouts=_layouts)
