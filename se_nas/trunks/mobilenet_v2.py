"""MobileNet v2 (Sandler et al. 2018, Table 2), as torchvision has it.

The SE paper has no MobileNet v2: the places are those of its section 6.4 and 6.5 in an inverted
residual (1×1 expansion, depthwise, 1×1 projection).

=========  ==============================================================
placement  where
=========  ==============================================================
standard   behind the projection's batch norm, before the sum
pre        at the start of the branch
post       behind the sum
conv3x3    behind depthwise convolution, batch norm and activation
=========  ==============================================================

Blocks that change the width or the resolution have no shortcut. So identity is not offered, and
in these blocks post and standard are the same place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from se_nas.layers import (
    Act,
    Chain,
    Conv,
    Dropout,
    GlobalPool,
    Group,
    Linear,
    Norm,
    Residual,
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
    check_kernels,
    check_multiplier,
    check_per_stage,
    of_stage,
)

CHANNELS = (16, 24, 32, 64, 96, 160, 320)
STRIDES = (1, 2, 2, 2, 1, 2, 1)
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280
RELU6 = Act("relu6")


def inverted_residual(
    se: SE | None,
    c_in: int,
    c_expanded: int,
    c_out: int,
    kernel: int,
    stride: int,
    act: Act,
    norm: Norm,
) -> Residual | Group:
    """Return the block of MobileNet v2 and v3: 1×1 expansion, depthwise, 1×1 projection.

    No expansion layer where it would not widen; no shortcut where the shape changes. ``norm`` has
    the batch norms' eps and momentum, for any number of channels.
    """
    branch: Chain = ()
    if c_expanded != c_in:
        branch = chain(
            conv_pw=Conv(c_in, c_expanded, 1), bn1=replace(norm, channels=c_expanded), act1=act
        )
    branch += chain(
        conv_dw=Conv(c_expanded, c_expanded, kernel, stride, groups=c_expanded),
        bn2=replace(norm, channels=c_expanded),
        act2=act,
        conv_pwl=Conv(c_expanded, c_out, 1),
        bn3=replace(norm, channels=c_out),
    )
    placed = place(se, branch, c_in=c_in, c_out=c_out, middle=("act2", c_expanded))
    if stride == 1 and c_in == c_out:
        return Residual(placed.branch, after=placed.after)
    return Group(placed.branch + placed.after)


@dataclass(frozen=True)
class MobileNetV2(Staged):
    """Settings of a MobileNet v2. A stage is a row of the paper's Table 2.

    Attributes:
        width: width multiplier; channels are rounded as in torchvision (to 8), the head's are
            never fewer than 1280.
        depths: blocks in each of the seven stages.
        expansions: how many times wider the depthwise convolution is, for each stage.
        kernels: side of the depthwise convolutions, for each stage.
        stem: ``imagenet`` (3×3 stride 2) or ``small`` (3×3 stride 1, for 28–64 px).
    """

    family: ClassVar[str] = "mobilenet_v2"

    width: float = 1.0
    depths: tuple[int, ...] = (1, 2, 3, 4, 3, 3, 1)
    expansions: tuple[int, ...] = (1, 6, 6, 6, 6, 6, 6)
    kernels: tuple[int, ...] = (3, 3, 3, 3, 3, 3, 3)
    stem: Literal["imagenet", "small"] = "imagenet"

    def __post_init__(self) -> None:
        stages = len(CHANNELS)
        check_multiplier(self, "width")
        check_depths(self, stages)
        check_per_stage(
            self, "expansions", stages, lambda factor: factor >= 1, "a factor of at least 1"
        )
        check_kernels(self, stages)
        check_choice(self, "stem", STEMS)

    @property
    def stages(self) -> tuple[int, ...]:
        return (1, 2, 3, 4, 5, 6, 7)

    @property
    def placements(self) -> tuple[str, ...]:
        return ("standard", "pre", "post", "conv3x3")

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
        width = make_divisible(HEAD_CHANNELS * max(1.0, self.width))
        return chain(
            conv_head=Conv(self.c_out(7), width, 1),
            bn_head=Norm(width),
            act_head=RELU6,
            pool=GlobalPool(),
            dropout=Dropout(0.2),
            fc=Linear(width, num_classes),
        )

    def unit(self, number: int, first: bool, se: SE | None) -> Residual | Group:
        c_out = self.c_out(number)
        c_in = c_out
        if first:
            c_in = self.stem_channels if number == 1 else self.c_out(number - 1)
        return inverted_residual(
            se,
            c_in,
            c_in * of_stage(self.expansions, self, number),
            c_out,
            of_stage(self.kernels, self, number),
            of_stage(STRIDES, self, number) if first else 1,
            RELU6,
            Norm(c_out),
        )


def _layouts(trunk: MobileNetV2) -> tuple[Layout, ...]:
    """Return the layouts of known checkpoints.

    torchvision numbers the blocks through (``features``), timm by stage (``blocks``).
    """
    last = 1 + sum(trunk.depths)
    torchvision = {
        "features.0.0": "conv_stem",
        "features.0.1": "bn_stem",
        f"features.{last}.0": "conv_head",
        f"features.{last}.1": "bn_head",
        "classifier.1": "fc",
    }
    timm = {"bn1": "bn_stem", "bn2": "bn_head", "classifier": "fc"}
    wide = (
        ("0.0", "conv_pw", "conv_pw"),
        ("0.1", "bn1", "bn1"),
        ("1.0", "conv_dw", "conv_dw"),
        ("1.1", "bn2", "bn2"),
        ("2", "conv_pwl", "conv_pwl"),
        ("3", "bn3", "bn3"),
    )
    narrow = (
        ("0.0", "conv_dw", "conv_dw"),
        ("0.1", "bn1", "bn2"),
        ("1", "conv_pw", "conv_pwl"),
        ("2", "bn2", "bn3"),
    )
    count = 0
    for number, depth, factor in zip(trunk.stages, trunk.depths, trunk.expansions, strict=True):
        for i in range(depth):
            count += 1
            for of_torchvision, of_timm, of_ours in narrow if factor == 1 else wide:
                ours = f"stage{number}.{i}.{of_ours}"
                torchvision[f"features.{count}.conv.{of_torchvision}"] = ours
                timm[f"blocks.{number - 1}.{i}.{of_timm}"] = ours
    why = "its stem has stride 2"
    imagenet = replace(trunk, stem="imagenet")
    return (
        Layout("torchvision's", r"^features\.1\.conv\.", by_module(torchvision), imagenet, why),
        Layout("timm's", r"^blocks\.0\.0\.", by_module(timm), imagenet, why),
    )


FAMILY = Family(trunk=MobileNetV2, named={"mobilenet_v2": MobileNetV2()}, layouts=_layouts)
