"""ShuffleNet v1 (Zhang et al. 2018, Table 1; SPEC 1.8).

A unit is a 1×1 group convolution to a quarter of the output width, channel shuffle, a depthwise
3×3 and a 1×1 group convolution. A stage's first unit has stride 2 and puts its branch beside the
pooled input; the others add it to the input. The first unit of stage 2 has no groups in its first
1×1. A quarter of the *output* width is the reading of the authors' own figures (137 M
multiply-adds; SPEC 1.8), and the nearest to the 140 M that the SE paper prints.

The SE paper is silent about the places; these are the readings of its Figure 5 here:

=========  ====================================================================
placement  where
=========  ====================================================================
standard   behind the branch's last batch norm, before the sum or concatenation
pre        at the start of the branch
post       behind the sum or concatenation and its ReLU
identity   on the shortcut; in a unit with stride 2 on the pooled input
conv3x3    behind the depthwise convolution's batch norm (no activation there)
=========  ====================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from se_nas.layers import (
    Act,
    Chain,
    Concat,
    Conv,
    GlobalPool,
    Group,
    Linear,
    Norm,
    Pool,
    Residual,
    Shuffle,
    chain,
    make_divisible,
)
from se_nas.se import SE
from se_nas.trunks.base import PLACEMENTS, Family, Staged, place
from se_nas.trunks.checks import STEMS, check_choice, check_depths, check_multiplier

# Output channels of stage 2 by number of groups; every further stage doubles them.
CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
STEM_CHANNELS = 24
RELU = Act("relu")


@dataclass(frozen=True)
class ShuffleNetV1(Staged):
    """Settings of a ShuffleNet v1.

    Attributes:
        groups: groups of the 1×1 convolutions: 1, 2, 3, 4 or 8; more groups have more channels.
        scale: factor on all channels ("ShuffleNet 0.5×"); the stem's are rounded to a multiple of
            ``groups``, the stages' to one of 4 · ``groups``, which the unit's quarter needs.
        depths: units in stages 2, 3 and 4.
        stem: ``imagenet`` (3×3 stride 2, max pool) or ``small`` (3×3 stride 1, for 28–64 px).
    """

    family: ClassVar[str] = "shufflenet_v1"

    groups: int = 3
    scale: float = 1.0
    depths: tuple[int, ...] = (4, 8, 4)
    stem: Literal["imagenet", "small"] = "imagenet"

    def __post_init__(self) -> None:
        check_choice(self, "groups", tuple(CHANNELS))
        check_multiplier(self, "scale")
        check_depths(self, 3)
        check_choice(self, "stem", STEMS)

    @property
    def stages(self) -> tuple[int, ...]:
        return (2, 3, 4)

    @property
    def placements(self) -> tuple[str, ...]:
        return PLACEMENTS

    @property
    def stem_channels(self) -> int:
        return make_divisible(STEM_CHANNELS * self.scale, self.groups)

    def c_out(self, number: int) -> int:
        first = make_divisible(CHANNELS[self.groups] * self.scale, 4 * self.groups)
        return first << (number - 2)

    def stem_layers(self, in_channels: int) -> Chain:
        width, small = self.stem_channels, self.stem == "small"
        layers = chain(
            conv_stem=Conv(in_channels, width, 3, 1 if small else 2),
            bn_stem=Norm(width),
            relu_stem=RELU,
        )
        return layers if small else layers + chain(maxpool=Pool("max", padding=1))

    def head_layers(self, num_classes: int) -> Chain:
        return chain(pool=GlobalPool(), fc=Linear(self.c_out(4), num_classes))

    def unit(self, number: int, first: bool, se: SE | None) -> Residual | Group:
        c_out = self.c_out(number)
        if not first:
            branch = self._branch(c_out, c_out, c_out // 4, self.groups, stride=1)
            placed = place(se, branch, c_in=c_out, c_out=c_out, middle=("bn2", c_out // 4))
            return Residual(placed.branch, placed.shortcut, RELU, placed.after)
        c_in = self.stem_channels if number == 2 else self.c_out(number - 1)
        placed = place(
            se,
            self._branch(c_in, c_out - c_in, c_out // 4, 1 if number == 2 else self.groups, 2),
            chain(pool=Pool("avg", padding=1)),
            c_in=c_in,
            c_out=c_out - c_in,
            c_shortcut=c_in,
            c_after=c_out,
            middle=("bn2", c_out // 4),
        )
        concat = Concat((("shortcut", placed.shortcut), ("branch", placed.branch)))
        return Group(chain(concat=concat, relu=RELU) + placed.after)

    def _branch(self, c_in: int, c_out: int, c_mid: int, groups_first: int, stride: int) -> Chain:
        shuffle = chain(shuffle=Shuffle(self.groups)) if self.groups > 1 else ()
        return (
            chain(conv1=Conv(c_in, c_mid, 1, groups=groups_first), bn1=Norm(c_mid), relu1=RELU)
            + shuffle
            + chain(
                conv_dw=Conv(c_mid, c_mid, 3, stride, groups=c_mid),
                bn2=Norm(c_mid),
                conv2=Conv(c_mid, c_out, 1, groups=self.groups),
                bn3=Norm(c_out),
            )
        )


FAMILY = Family(
    trunk=ShuffleNetV1,
    named={f"shufflenet_v1_g{groups}": ShuffleNetV1(groups) for groups in CHANNELS},
)
