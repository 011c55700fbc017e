"""Shake-Shake networks for 32 px (Gastaldi 2017; SPEC 1.10): two branches, mixed at random.

A unit is ``shortcut(x) + a · first(x) + (1 − a) · second(x)``. In training each image has its own
``a`` in [0, 1), and the gradient is divided by another one (``shake``) or by halves (``even``); at
test both are halves.

==================  =====================================  ====================================
network             unit                                   shortcut where the shape changes
==================  =====================================  ====================================
26 2×96d, CIFAR-10  branches ReLU-3×3-BN-ReLU-3×3-BN,      ReLU, two 1×1 to half the channels
                    nothing behind the sum; ReLU in the    each, of every second pixel and of
                    head                                   the map moved by one; BN
29 2×4×64d,         branches 1×1, 3×3 in 4 groups, 1×1     1×1, BN
CIFAR-100           to 4 × its width; ReLU behind the sum
==================  =====================================  ====================================

The SE paper does not say where SE stands in them. Here each branch has a block of its own, before
the mixing: a branch is a residual function, and SE stands before the summation (section 3.3). A
single block behind the mixing would squeeze random mixtures in training and even ones at test.
(Weights at r = 16: 193,536 and 1,032,192; behind the mixing it would be half of that.)

=========  ==========================================================
placement  where
=========  ==========================================================
standard   at the end of both branches, before the mixing
pre        at the start of both branches
post       behind the sum (and its ReLU)
identity   on the shortcut
conv3x3    in both branches behind the 3×3, its batch norm and ReLU (bottlenecks)
=========  ==========================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from se_nas import dsl
from se_nas.errors import InputError
from se_nas.layers import (
    Act,
    Backward,
    Chain,
    Concat,
    Conv,
    GlobalPool,
    Linear,
    Norm,
    Residual,
    Shake,
    Subsample,
    chain,
)
from se_nas.se import SE
from se_nas.trunks.base import PLACEMENTS, Family, Staged, place
from se_nas.trunks.checks import check_choice, check_depths, check_whole

STEM_WIDTHS = {"basic": 16, "bottleneck": 64}
RELU = Act("relu")


@dataclass(frozen=True)
class ShakeShake(Staged):
    """Settings of a Shake-Shake network.

    Attributes:
        depths: units in each of the three stages.
        block: ``basic`` or ``bottleneck``: the two rows of the module's table.
        width: base width of stage 2; every further stage doubles it. Of a bottleneck's 3×3 it is
            the width of one group.
        groups: groups of a bottleneck's 3×3.
        backward: how the gradient is divided: ``shake`` or ``even``.
    """

    family: ClassVar[str] = "shake_shake"

    depths: tuple[int, ...] = (4, 4, 4)
    block: Literal["basic", "bottleneck"] = "basic"
    width: int = 96
    groups: int = 1
    backward: Backward = "shake"

    def __post_init__(self) -> None:
        check_depths(self, 3)
        check_choice(self, "block", tuple(STEM_WIDTHS))
        check_choice(self, "backward", ("shake", "even"))
        check_whole(self, "width")
        check_whole(self, "groups")
        if dsl.is_template(self) or self.block == "bottleneck":
            return
        if self.groups != 1:
            raise InputError(f"groups={self.groups}: basic blocks have one group; use bottleneck")
        if self.width % 2:
            raise InputError(f"width={self.width}: a basic block's shortcut has two equal halves")

    @property
    def stages(self) -> tuple[int, ...]:
        return (2, 3, 4)

    @property
    def placements(self) -> tuple[str, ...]:
        return PLACEMENTS if self.block == "bottleneck" else PLACEMENTS[:-1]

    @property
    def input_size(self) -> int:
        return 32

    def c_out(self, number: int) -> int:
        return (self.width << (number - 2)) * (4 if self.block == "bottleneck" else 1)

    def stem_layers(self, in_channels: int) -> Chain:
        width = STEM_WIDTHS[self.block]
        relu = chain(relu_stem=RELU) if self.block == "bottleneck" else ()
        return chain(conv_stem=Conv(in_channels, width, 3), bn_stem=Norm(width)) + relu

    def head_layers(self, num_classes: int) -> Chain:
        relu = chain(relu_head=RELU) if self.block == "basic" else ()
        return relu + chain(pool=GlobalPool(), fc=Linear(self.c_out(4), num_classes))

    def unit(self, number: int, first: bool, se: SE | None) -> Residual:
        c_out = self.c_out(number)
        c_in = c_out
        if first:
            c_in = STEM_WIDTHS[self.block] if number == 2 else self.c_out(number - 1)
        stride = 2 if first and number > 2 else 1
        basic = self.block == "basic"
        branch = (
            self._basic(c_in, c_out, stride) if basic else self._bottleneck(number, c_in, stride)
        )
        middle = ("relu2", (self.width << (number - 2)) * self.groups)
        whole = se is not None and se.placement in ("post", "identity")
        one = place(None if whole else se, branch, c_in=c_in, c_out=c_out, middle=middle).branch
        shake = chain(shake=Shake((("first", one), ("second", one)), self.backward))
        shortcut = self._shortcut(c_in, c_out, stride) if c_in != c_out or stride != 1 else ()
        placed = place(se if whole else None, shake, shortcut, c_in=c_in, c_out=c_out)
        return Residual(placed.branch, placed.shortcut, None if basic else RELU, placed.after)

    def _shortcut(self, c_in: int, c_out: int, stride: int) -> Chain:
        if self.block == "bottleneck":
            return chain(conv=Conv(c_in, c_out, 1, stride), bn=Norm(c_out))
        half = c_out // 2
        paths = Concat(
            (
                ("here", chain(conv=Conv(c_in, half, 1, stride))),
                (
                    "moved",
                    chain(pick=Subsample(c_in, stride, shift=1), conv=Conv(c_in, half, 1)),
                ),
            )
        )
        return chain(relu=RELU, paths=paths, bn=Norm(c_out))

    def _basic(self, c_in: int, c_out: int, stride: int) -> Chain:
        return chain(
            relu1=RELU,
            conv1=Conv(c_in, c_out, 3, stride),
            bn1=Norm(c_out),
            relu2=RELU,
            conv2=Conv(c_out, c_out, 3),
            bn2=Norm(c_out),
        )

    def _bottleneck(self, number: int, c_in: int, stride: int) -> Chain:
        c_out, width = self.c_out(number), (self.width << (number - 2)) * self.groups
        return chain(
            conv1=Conv(c_in, width, 1),
            bn1=Norm(width),
            relu1=RELU,
            conv2=Conv(width, width, 3, stride, self.groups),
            bn2=Norm(width),
            relu2=RELU,
            conv3=Conv(width, c_out, 1),
            bn3=Norm(c_out),
        )


FAMILY = Family(
    trunk=ShakeShake,
    named={
        "shake_shake_26_2x96d": ShakeShake(),
        "shake_even_29_2x4x64d": ShakeShake((3, 3, 3), "bottleneck", 64, 4, "even"),
    },
)
