"""MobileNet v3 large and small (Howard et al. 2019, Tables 1 and 2), as torchvision has them.

The published networks have SE in some stages, behind the depthwise convolution (conv3x3), r = 4,
with a hard sigmoid. The trunks here have none: ``mobilenet_v3_large_trunk``; the public name
``mobilenet_v3_large`` stands for the trunk with the published SE, stage by stage.

The places are those of ``mobilenet_v2``. timm's MobileNetV3 has the same shapes, but another eps
in its batch norms (1e-5 instead of 1e-3), so its checkpoints are refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

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
from se_nas.trunks.base import Family, Layout
from se_nas.trunks.mobilenet_v2 import inverted_residual
from se_nas.trunks.settings import (
    STEMS,
    by_module,
    check_choice,
    check_depths,
    check_kernels,
    check_multiplier,
    of_stage,
)

if TYPE_CHECKING:
    from se_nas.arch import SE


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


def _norm(channels: int) -> Norm:
    return Norm(channels, eps=0.001, momentum=0.01)


@dataclass(frozen=True)
class MobileNetV3:
    """Settings of a MobileNet v3 without its SE blocks.

    Attributes:
        variant: ``large`` (six stages) or ``small`` (five).
        width: width multiplier; channels are rounded as in torchvision (to 8).
        depths: blocks in each stage; those of the paper if not given. A block that the paper's
            table does not have is expanded as its last one.
        kernels: side of the depthwise convolutions of each stage; the paper's if not given.
        stem: ``imagenet`` (3×3 stride 2) or ``small`` (3×3 stride 1, for 28–64 px).
    """

    family: ClassVar[str] = "mobilenet_v3"

    variant: Literal["large", "small"] = "large"
    width: float = 1.0
    depths: tuple[int, ...] = ()
    kernels: tuple[int, ...] = ()
    stem: Literal["imagenet", "small"] = "imagenet"

    def __post_init__(self) -> None:
        check_choice(self, "variant", tuple(TABLES))
        check_multiplier(self, "width")
        check_choice(self, "stem", STEMS)
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
    def input_size(self) -> int:
        return 32 if self.stem == "small" else 224

    @property
    def stem_channels(self) -> int:
        return self._scaled(STEM_CHANNELS)

    def c_out(self, number: int) -> int:
        return self._scaled(of_stage(self.table.channels, self, number))

    def stage_name(self, number: int) -> str:
        return f"stage{number}"

    def stem_layers(self, in_channels: int) -> Chain:
        width, stride = self.stem_channels, 1 if self.stem == "small" else 2
        return chain(
            conv_stem=Conv(in_channels, width, 3, stride),
            bn_stem=_norm(width),
            act_stem=HARD_SWISH,
        )

    def stage_layers(self, number: int, se: SE | None) -> Chain:
        depth = of_stage(self.depths, self, number)
        return tuple((str(i), self._block(number, i, se)) for i in range(depth))

    def head_layers(self, num_classes: int) -> Chain:
        c_last = self.c_out(self.stages[-1])
        hidden = self._scaled(self.table.hidden)
        return chain(
            conv_head=Conv(c_last, 6 * c_last, 1),
            bn_head=_norm(6 * c_last),
            act_head=HARD_SWISH,
            pool=GlobalPool(),
            fc_hidden=Linear(6 * c_last, hidden),
            act_hidden=HARD_SWISH,
            dropout=Dropout(0.2),
            fc=Linear(hidden, num_classes),
        )

    def widths(self, number: int, index: int) -> tuple[int, int, int]:
        """Channels in, expanded and out of block ``index`` of a stage."""
        c_out = self.c_out(number)
        c_in = c_out
        if index == 0:
            c_in = self.stem_channels if number == 1 else self.c_out(number - 1)
        expanded = self.table.expanded[number - 1]
        return c_in, self._scaled(expanded[min(index, len(expanded) - 1)]), c_out

    def _scaled(self, channels: int) -> int:
        return make_divisible(channels * self.width)

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
            _norm(c_out),
        )


def _layouts(trunk: MobileNetV3) -> tuple[Layout, ...]:
    """torchvision numbers a block's layers; an SE block moves the projection one further."""
    last = 1 + sum(trunk.depths)
    prefixes = {
        "features.0.0": "conv_stem",
        "features.0.1": "bn_stem",
        f"features.{last}.0": "conv_head",
        f"features.{last}.1": "bn_head",
        "classifier.0": "fc_hidden",
        "classifier.3": "fc",
    }
    count = 0
    for number, depth in zip(trunk.stages, trunk.depths, strict=True):
        for i in range(depth):
            count += 1
            ours, theirs = f"stage{number}.{i}", f"features.{count}.block"
            c_in, c_expanded, _ = trunk.widths(number, i)
            depthwise = 0 if c_expanded == c_in else 1
            if depthwise:
                prefixes[f"{theirs}.0.0"] = f"{ours}.conv_pw"
                prefixes[f"{theirs}.0.1"] = f"{ours}.bn1"
            prefixes[f"{theirs}.{depthwise}.0"] = f"{ours}.conv_dw"
            prefixes[f"{theirs}.{depthwise}.1"] = f"{ours}.bn2"
            for fc in ("fc1", "fc2"):
                prefixes[f"{theirs}.{depthwise + 1}.{fc}"] = f"{ours}.se.{fc}"
            for projection in (depthwise + 1, depthwise + 2):
                prefixes[f"{theirs}.{projection}.0"] = f"{ours}.conv_pwl"
                prefixes[f"{theirs}.{projection}.1"] = f"{ours}.bn3"
    imagenet = replace(trunk, stem="imagenet")
    why_timm = "timm's batch norms have an eps of 1e-5, torchvision's and ours 1e-3"
    why = "its stem has stride 2"
    return (
        Layout(
            "torchvision's",
            r"^features\.1\.block\.",
            by_module(prefixes),
            imagenet,
            why,
            se_placement="conv3x3",
            se_gate="hard_sigmoid",
        ),
        Layout("timm's", r"^blocks\.0\.0\.", lambda key: key, None, why_timm),
    )


PUBLISHED_SE = "r4_mobile8_conv3x3_hsigmoid"

FAMILY = Family(
    trunk=MobileNetV3,
    named={
        "mobilenet_v3_large_trunk": MobileNetV3("large"),
        "mobilenet_v3_small_trunk": MobileNetV3("small"),
    },
    aliases={
        "mobilenet_v3_large": f"se_mobilenet_v3_large_trunk_s356_{PUBLISHED_SE}",
        "mobilenet_v3_small": f"se_mobilenet_v3_small_trunk_s1345_{PUBLISHED_SE}",
    },
    layouts=_layouts,
)
