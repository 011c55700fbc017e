"""ResNet, ResNeXt and the trunk of SENet-154 (He et al. 2016, Xie et al. 2017; SPEC 1.2–1.4).

Two lineages share every parameter shape and differ in what they compute (SPEC 0.1):

========  =============================  ==========================================
lineage   max pool of the stem           stride of a stage's first bottleneck
========  =============================  ==========================================
paper     3×3, no padding, ceil          ResNet: first 1×1; ResNeXt, SENet-154: 3×3
tv        3×3, padding 1                 3×3 (torchvision, timm)
========  =============================  ==========================================

Names without a mark are the paper's, ``_tv`` is torchvision's and timm's. The ``tv`` lineage uses
torchvision's parameter names (``layer1.0.conv1``), the paper's ``stage2.0.conv1``: no checkpoint
of one can be taken for the other's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from se_nas import dsl
from se_nas.errors import InputError, unknown
from se_nas.layers import (
    Act,
    Chain,
    Conv,
    Dropout,
    GlobalPool,
    Linear,
    Norm,
    Pool,
    Residual,
    chain,
)
from se_nas.se import SE
from se_nas.texts import written
from se_nas.trunks.base import PLACEMENTS, Family, Staged, place
from se_nas.trunks.checks import MOST_DEPTH, check_choice, check_whole, plain_options
from se_nas.trunks.resnet_layouts import layouts

RELU = Act("relu")


@dataclass(frozen=True)
class ResNet(Staged):
    """Settings of a residual trunk.

    Attributes:
        depths: blocks in each stage, conv2_x first.
        block: ``basic`` (two 3×3) or ``bottleneck`` (1×1, 3×3, 1×1, output 4 × its base width).
        width: base width of stage 2; every further stage doubles it.
        groups: groups of the 3×3 convolution (cardinality).
        group_width: width of one group in stage 2 (the "4d" of 32×4d); 0: base width / groups.
        lineage: ``paper`` or ``tv``, see the module.
        stem: ``imagenet`` (7×7 stride 2, max pool), ``deep`` (SENet-154: three 3×3, max pool) or
            ``small`` (3×3 stride 1, for 28–64 px).
        squeeze_first: the first 1×1 has half the 3×3's width (SENet-154).
        projection: kernel of the projection shortcut where it has a stride: 1, or 3 (SENet-154).
        dropout: before the classifier (SENet-154: 0.2).
    """

    family: ClassVar[str] = "resnet"

    depths: tuple[int, ...] = (3, 4, 6, 3)
    block: Literal["basic", "bottleneck"] = "bottleneck"
    width: int = 64
    groups: int = 1
    group_width: int = 0
    lineage: Literal["paper", "tv"] = "paper"
    stem: Literal["imagenet", "deep", "small"] = "imagenet"
    squeeze_first: bool = False
    projection: int = 1
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for depths in plain_options(self, "depths"):
            stages = depths if isinstance(depths, tuple) else ()
            blocks = [depth for item in stages for depth in dsl.options(item)]
            if not 1 <= len(stages) <= 7 or not all(
                type(n) is int and 1 <= n <= MOST_DEPTH for n in blocks
            ):
                raise InputError(
                    f"depths={written(depths)}: give 1 to 7 stages of at least one block each, "
                    f"{MOST_DEPTH} at most"
                )
        check_choice(self, "block", ("basic", "bottleneck"))
        check_choice(self, "lineage", ("paper", "tv"))
        check_choice(self, "stem", ("imagenet", "deep", "small"))
        check_choice(self, "projection", (1, 3))
        for squeeze_first in plain_options(self, "squeeze_first"):
            if not isinstance(squeeze_first, bool):
                raise unknown("squeeze_first of a resnet", squeeze_first, (True, False))
        for field, least in (("width", 1), ("groups", 1), ("group_width", 0)):
            check_whole(self, field, least)
        for share in plain_options(self, "dropout"):
            if type(share) not in (int, float) or not 0 <= share < 1:
                raise InputError(f"dropout={written(share)} of a resnet: give a share in [0, 1)")
        if dsl.is_template(self):
            return
        if self.block == "basic" and (self.groups, self.group_width) != (1, 0):
            raise InputError(f"groups={self.groups}: basic blocks have one group; use bottleneck")
        wide = self.conv_width(2)
        for what, width in (("", wide), ("input ", wide // 2 if self.squeeze_first else wide)):
            if width % self.groups or width < 1:
                raise InputError(
                    f"groups={self.groups}: the 3×3's {what}width {width} is no multiple of it"
                )

    @property
    def stages(self) -> tuple[int, ...]:
        return tuple(range(2, 2 + len(self.depths)))

    @property
    def placements(self) -> tuple[str, ...]:
        """A basic block has two 3×3 and no last 1×1, so no conv3x3 (paper, section 6.5)."""
        return PLACEMENTS if self.block == "bottleneck" else PLACEMENTS[:-1]

    @property
    def stem_channels(self) -> int:
        return 2 * self.width if self.stem == "deep" else self.width

    def base_width(self, number: int) -> int:
        return self.width << (number - 2)

    def conv_width(self, number: int) -> int:
        """Return the channels of the 3×3 convolution."""
        if self.group_width:
            return self.groups * self.group_width << (number - 2)
        return self.base_width(number)

    def c_out(self, number: int) -> int:
        return self.base_width(number) * (4 if self.block == "bottleneck" else 1)

    def stage_name(self, number: int) -> str:
        return f"layer{number - 1}" if self.lineage == "tv" else f"stage{number}"

    def stem_layers(self, in_channels: int) -> Chain:
        width = self.width
        if self.stem == "small":
            return chain(conv1=Conv(in_channels, width, 3), bn1=Norm(width), relu=RELU)
        pool = Pool("max", padding=1) if self.lineage == "tv" else Pool("max", ceil=True)
        if self.stem == "imagenet":
            conv = Conv(in_channels, width, 7, stride=2)
            return chain(conv1=conv, bn1=Norm(width), relu=RELU, maxpool=pool)
        return chain(
            conv1=Conv(in_channels, width, 3, stride=2),
            bn1=Norm(width),
            relu1=RELU,
            conv2=Conv(width, width, 3),
            bn2=Norm(width),
            relu2=RELU,
            conv3=Conv(width, 2 * width, 3),
            bn3=Norm(2 * width),
            relu3=RELU,
            maxpool=pool,
        )

    def head_layers(self, num_classes: int) -> Chain:
        out = self.c_out(self.stages[-1])
        drop = chain(dropout=Dropout(self.dropout)) if self.dropout else ()
        return chain(pool=GlobalPool()) + drop + chain(fc=Linear(out, num_classes))

    def unit(self, number: int, first: bool, se: SE | None) -> Residual:
        c_out = self.c_out(number)
        c_in = c_out
        if first:
            c_in = self.stem_channels if number == 2 else self.c_out(number - 1)
        stride = 2 if first and number > 2 else 1
        branch = (
            self._bottleneck(number, c_in, stride)
            if self.block == "bottleneck"
            else self._basic(number, c_in, stride)
        )
        shortcut: Chain = ()
        if c_in != c_out or stride != 1:
            kernel = self.projection if stride != 1 else 1
            shortcut = (("0", Conv(c_in, c_out, kernel, stride)), ("1", Norm(c_out)))
        middle = ("relu2", self.conv_width(number))
        placed = place(se, branch, shortcut, c_in=c_in, c_out=c_out, middle=middle)
        return Residual(placed.branch, placed.shortcut, RELU, placed.after)

    def _basic(self, number: int, c_in: int, stride: int) -> Chain:
        width = self.base_width(number)
        return chain(
            conv1=Conv(c_in, width, 3, stride),
            bn1=Norm(width),
            relu1=RELU,
            conv2=Conv(width, width, 3),
            bn2=Norm(width),
        )

    def _bottleneck(self, number: int, c_in: int, stride: int) -> Chain:
        width, c_out = self.conv_width(number), self.c_out(number)
        squeezed = width // 2 if self.squeeze_first else width
        in_first = self.lineage == "paper" and self.groups == 1
        return chain(
            conv1=Conv(c_in, squeezed, 1, stride if in_first else 1),
            bn1=Norm(squeezed),
            relu1=RELU,
            conv2=Conv(squeezed, width, 3, 1 if in_first else stride, self.groups),
            bn2=Norm(width),
            relu2=RELU,
            conv3=Conv(width, c_out, 1),
            bn3=Norm(c_out),
        )


def _named() -> dict[str, ResNet]:
    paper = {
        "resnet18": ResNet((2, 2, 2, 2), "basic"),
        "resnet34": ResNet((3, 4, 6, 3), "basic"),
        "resnet50": ResNet((3, 4, 6, 3)),
        "resnet101": ResNet((3, 4, 23, 3)),
        "resnet152": ResNet((3, 8, 36, 3)),
        "resnext50_32x4d": ResNet((3, 4, 6, 3), groups=32, group_width=4),
        "resnext101_32x4d": ResNet((3, 4, 23, 3), groups=32, group_width=4),
        "resnext101_32x8d": ResNet((3, 4, 23, 3), groups=32, group_width=8),
        "resnext101_64x4d": ResNet((3, 4, 23, 3), groups=64, group_width=4),
        "senet154_trunk": ResNet(
            (3, 8, 36, 3),
            groups=64,
            group_width=4,
            stem="deep",
            squeeze_first=True,
            projection=3,
            dropout=0.2,
        ),
    }
    tv = {f"{name}_tv": replace(trunk, lineage="tv") for name, trunk in paper.items()}
    # Zagoruyko and Komodakis 2016, as torchvision and timm have it: the 3×3 is twice as wide.
    wide = {
        f"wide_resnet{layers}_2_tv": ResNet(depths, group_width=128, lineage="tv")
        for layers, depths in ((50, (3, 4, 6, 3)), (101, (3, 4, 23, 3)))
    }
    # He et al. 2016, section 4.2: 6n + 2 layers for images of 32 px.
    small = {
        f"resnet{6 * n + 2}_small": ResNet((n, n, n), "basic", 16, stem="small") for n in (1, 3, 9)
    }
    tv_names = {name.replace("_trunk_tv", "_tv_trunk"): trunk for name, trunk in tv.items()}
    return paper | tv_names | wide | small


FAMILY = Family(
    trunk=ResNet,
    named=_named(),
    aliases={"senet154": "se_senet154_trunk_r16", "senet154_tv": "se_senet154_tv_trunk_r16"},
    layouts=layouts,
)
