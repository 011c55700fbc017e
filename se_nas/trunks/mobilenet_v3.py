"""MobileNet v3 large and small (Howard et al. 2019, Tables 1 and 2).

The published networks have SE in some stages, behind the depthwise convolution (conv3x3), r = 4,
with a hard sigmoid. The trunks here have none: ``mobilenet_v3_large_trunk``; the public name
``mobilenet_v3_large`` stands for the trunk with the published SE, stage by stage.

The places are those of ``mobilenet_v2``. Two lineages share every parameter shape at width 1:

=======  =======================  ==================================================
lineage  batch norms              with another ``width``
=======  =======================  ==================================================
tv       eps 1e-3, momentum 0.01  multiplies and rounds all channels
timm     eps 1e-5, momentum 0.1   expands a block's rounded input by the table's ratio;
                                  leaves the classifier's hidden layer as wide, and
                                  the stem below 0.75
=======  =======================  ==================================================

Names without a mark are torchvision's, ``_timm`` is timm's; the stages have other names in each, so
that no checkpoint of one can be taken for the other's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from se_nas import dsl
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
from se_nas.trunks.base import Family, Staged
from se_nas.trunks.checks import (
    STEMS,
    check_choice,
    check_depths,
    check_kernels,
    check_multiplier,
    of_stage,
)
from se_nas.trunks.mobilenet_v2 import inverted_residual
from se_nas.trunks.mobilenet_v3_layouts import layouts


@dataclass(frozen=True)
class Table:
    """Table 1 (large) or 2 (small) of the paper, one entry a stage (rows of one output width).

    Attributes:
        expanded: width of the depthwise convolution in each block.
        hard_swish_from: the first stage with hard_swish; those before have ReLU.
        hidden: width of the classifier's hidden layer.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    kernels: tuple[int, ...]
    expanded: tuple[tuple[int, ...], ...]
    hard_swish_from: int
    hidden: int


TABLES = {
    "large": Table(
        channels=(16, 24, 40, 80, 112, 160),
        strides=(1, 2, 2, 2, 1, 2),
        kernels=(3, 3, 5, 3, 3, 5),
        expanded=(
            (16,),
            (64, 72),
            (72, 120, 120),
            (240, 200, 184, 184),
            (480, 672),
            (672, 960, 960),
        ),
        hard_swish_from=4,
        hidden=1280,
    ),
    "small": Table(
        channels=(16, 24, 40, 48, 96),
        strides=(2, 2, 2, 1, 2),
        kernels=(3, 3, 5, 5, 5),
        expanded=((16,), (72, 88), (96, 240, 240), (120, 144), (288, 576, 576)),
        hard_swish_from=3,
        hidden=1024,
    ),
}
STEM_CHANNELS = 16
RELU, HARD_SWISH = Act("relu"), Act("hard_swish")
NORMS = {"tv": (1e-3, 0.01), "timm": (1e-5, 0.1)}  # eps, momentum


@dataclass(frozen=True)
class MobileNetV3(Staged):
    """Settings of a MobileNet v3 without its SE blocks.

    Attributes:
        variant: ``large`` (six stages) or ``small`` (five).
        width: width multiplier; channels are rounded as in torchvision (to 8).
        depths: blocks in each stage; those of the paper if not given. A block that the paper's
            table does not have is expanded as its last one.
        kernels: side of the depthwise convolutions of each stage; the paper's if not given.
        stem: ``imagenet`` (3×3 stride 2) or ``small`` (3×3 stride 1, for 28–64 px).
        lineage: ``tv`` or ``timm``, see the module.
    """

    family: ClassVar[str] = "mobilenet_v3"

    variant: Literal["large", "small"] = "large"
    width: float = 1.0
    depths: tuple[int, ...] = ()
    kernels: tuple[int, ...] = ()
    stem: Literal["imagenet", "small"] = "imagenet"
    lineage: Literal["tv", "timm"] = "tv"

    def __post_init__(self) -> None:
        check_choice(self, "variant", tuple(TABLES))
        check_multiplier(self, "width")
        check_choice(self, "stem", STEMS)
        check_choice(self, "lineage", tuple(NORMS))
        if dsl.is_template(self.variant):
            return
        if self.depths == ():
            depths = tuple(len(blocks) for blocks in self.table.expanded)
            object.__setattr__(self, "depths", depths)
        if self.kernels == ():
            object.__setattr__(self, "kernels", self.table.kernels)
        check_depths(self, len(self.stages))
        check_kernels(self, len(self.stages))

    @property
    def table(self) -> Table:
        return TABLES[self.variant]

    @property
    def stages(self) -> tuple[int, ...]:
        return tuple(range(1, 1 + len(self.table.channels)))

    @property
    def placements(self) -> tuple[str, ...]:
        return ("standard", "pre", "post", "conv3x3")

    @property
    def stem_channels(self) -> int:
        fixed = self.lineage == "timm" and self.width < 0.75
        return STEM_CHANNELS if fixed else self._scaled(STEM_CHANNELS)

    def c_out(self, number: int) -> int:
        return self._scaled(of_stage(self.table.channels, self, number))

    def stage_name(self, number: int) -> str:
        return f"blocks{number - 1}" if self.lineage == "timm" else f"stage{number}"

    def stem_layers(self, in_channels: int) -> Chain:
        width, stride = self.stem_channels, 1 if self.stem == "small" else 2
        return chain(
            conv_stem=Conv(in_channels, width, 3, stride),
            bn_stem=self._norm(width),
            act_stem=HARD_SWISH,
        )

    def stage_layers(self, number: int, se: SE | None) -> Chain:
        depth = of_stage(self.depths, self, number)
        return tuple((str(i), self._block(number, i, se)) for i in range(depth))

    def head_layers(self, num_classes: int) -> Chain:
        c_last = self.c_out(self.stages[-1])
        hidden = self.table.hidden
        if self.lineage == "tv":
            hidden = self._scaled(hidden)
        return chain(
            conv_head=Conv(c_last, 6 * c_last, 1),
            bn_head=self._norm(6 * c_last),
            act_head=HARD_SWISH,
            pool=GlobalPool(),
            fc_hidden=Linear(6 * c_last, hidden),
            act_hidden=HARD_SWISH,
            dropout=Dropout(0.2),
            fc=Linear(hidden, num_classes),
        )

    def widths(self, number: int, index: int) -> tuple[int, int, int]:
        """Return the channels in, expanded and out of block ``index`` of a stage."""
        c_out = self.c_out(number)
        c_in = c_out
        if index == 0:
            c_in = self.stem_channels if number == 1 else self.c_out(number - 1)
        rows = self.table.expanded[number - 1]
        expanded = rows[min(index, len(rows) - 1)]
        if self.lineage == "tv":
            return c_in, self._scaled(expanded), c_out
        before = (STEM_CHANNELS, *self.table.channels)
        return c_in, make_divisible(c_in * expanded / before[number - (index == 0)]), c_out

    def _scaled(self, channels: int) -> int:
        return make_divisible(channels * self.width)

    def _norm(self, channels: int) -> Norm:
        eps, momentum = NORMS[self.lineage]
        return Norm(channels, eps, momentum)

    def _block(self, number: int, index: int, se: SE | None) -> Residual | Group:
        c_in, c_expanded, c_out = self.widths(number, index)
        return inverted_residual(
            se,
            c_in,
            c_expanded,
            c_out,
            of_stage(self.kernels, self, number),
            of_stage(self.table.strides, self, number) if index == 0 else 1,
            HARD_SWISH if number >= self.table.hard_swish_from else RELU,
            self._norm(c_out),
        )


PUBLISHED_SE = "r4_mobile8_conv3x3_hsigmoid"


def _aliases() -> dict[str, str]:
    published = {"large": f"s356_{PUBLISHED_SE}", "small": f"s1345_{PUBLISHED_SE}"}
    return {
        f"mobilenet_v3_{variant}{mark}": f"se_mobilenet_v3_{variant}{mark}_trunk_{se}"
        for mark in ("", "_timm")
        for variant, se in published.items()
    }


FAMILY = Family(
    trunk=MobileNetV3,
    named={
        "mobilenet_v3_large_trunk": MobileNetV3("large"),
        "mobilenet_v3_small_trunk": MobileNetV3("small"),
        "mobilenet_v3_large_timm_trunk": MobileNetV3("large", lineage="timm"),
        "mobilenet_v3_small_timm_trunk": MobileNetV3("small", lineage="timm"),
    },
    aliases=_aliases(),
    layouts=layouts,
)
