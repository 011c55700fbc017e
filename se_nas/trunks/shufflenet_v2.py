"""ShuffleNet v2 (Ma et al. 2018, Table 5), as torchvision has it.

A unit splits its channels: one half passes, the other goes through 1×1, depthwise 3×3 and 1×1;
both are put side by side and shuffled. A stage's first unit has stride 2 and convolves both.

The SE paper has no ShuffleNet v2; these are the readings of its Figure 5 here:

=========  ====================================================================
placement  where
=========  ====================================================================
standard   behind the branch's last batch norm and ReLU, before the concatenation
pre        at the start of the branch: on its half, or on the whole input
post       behind the concatenation and the shuffle
identity   on the other half; in a unit with stride 2 on the shortcut's output
conv3x3    behind the depthwise convolution's batch norm (no activation there)
=========  ====================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    Shuffle,
    chain,
)
from se_nas.se import SE
from se_nas.trunks.base import PLACEMENTS, Family, Layout, Staged, place
from se_nas.trunks.checks import STEMS, by_module, check_choice, check_depths

# Output channels of stages 2, 3, 4 and of the last 1×1, by scale.
CHANNELS = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}
STEM_CHANNELS = 24
RELU = Act("relu")


@dataclass(frozen=True)
class ShuffleNetV2(Staged):
    """Settings of a ShuffleNet v2.

    Attributes:
        scale: complexity level of the paper's table: 0.5, 1.0, 1.5 or 2.0.
        depths: units in stages 2, 3 and 4.
        stem: ``imagenet`` (3×3 stride 2, max pool) or ``small`` (3×3 stride 1, for 28–64 px).
    """

    family: ClassVar[str] = "shufflenet_v2"

    scale: float = 1.0
    depths: tuple[int, ...] = (4, 8, 4)
    stem: Literal["imagenet", "small"] = "imagenet"

    def __post_init__(self) -> None:
        check_choice(self, "scale", tuple(CHANNELS))
        check_depths(self, 3)
        check_choice(self, "stem", STEMS)

    @property
    def stages(self) -> tuple[int, ...]:
        return (2, 3, 4)

    @property
    def placements(self) -> tuple[str, ...]:
        return PLACEMENTS

    def c_out(self, number: int) -> int:
        return CHANNELS[self.scale][number - 2]

    def stem_layers(self, in_channels: int) -> Chain:
        small = self.stem == "small"
        layers = chain(
            conv_stem=Conv(in_channels, STEM_CHANNELS, 3, 1 if small else 2),
            bn_stem=Norm(STEM_CHANNELS),
            relu_stem=RELU,
        )
        return layers if small else layers + chain(maxpool=Pool("max", padding=1))

    def head_layers(self, num_classes: int) -> Chain:
        width = CHANNELS[self.scale][-1]
        return chain(
            conv_head=Conv(self.c_out(4), width, 1),
            bn_head=Norm(width),
            relu_head=RELU,
            pool=GlobalPool(),
            fc=Linear(width, num_classes),
        )

    def unit(self, number: int, first: bool, se: SE | None) -> Group:
        half = self.c_out(number) // 2
        shortcut: Chain = ()
        c_in, stride = half, 1
        if first:
            c_in = STEM_CHANNELS if number == 2 else self.c_out(number - 1)
            stride = 2
            shortcut = chain(
                conv_dw=Conv(c_in, c_in, 3, stride, groups=c_in),
                bn1=Norm(c_in),
                conv_pw=Conv(c_in, half, 1),
                bn2=Norm(half),
                relu=RELU,
            )
        branch = chain(
            conv1=Conv(c_in, half, 1),
            bn1=Norm(half),
            relu1=RELU,
            conv_dw=Conv(half, half, 3, stride, groups=half),
            bn2=Norm(half),
            conv2=Conv(half, half, 1),
            bn3=Norm(half),
            relu3=RELU,
        )
        placed = place(
            se,
            branch,
            shortcut,
            c_in=c_in,
            c_out=half,
            c_after=2 * half,
            middle=("bn2", half),
        )
        branches = (("shortcut", placed.shortcut), ("branch", placed.branch))
        return Group(
            chain(concat=Concat(branches, split=not first), shuffle=Shuffle(2)) + placed.after
        )


def _layouts(trunk: ShuffleNetV2) -> tuple[Layout, ...]:
    prefixes = {
        "conv1.0": "conv_stem",
        "conv1.1": "bn_stem",
        "conv5.0": "conv_head",
        "conv5.1": "bn_head",
    }
    inside = {
        "branch1.0": "shortcut.conv_dw",
        "branch1.1": "shortcut.bn1",
        "branch1.2": "shortcut.conv_pw",
        "branch1.3": "shortcut.bn2",
        "branch2.0": "branch.conv1",
        "branch2.1": "branch.bn1",
        "branch2.3": "branch.conv_dw",
        "branch2.4": "branch.bn2",
        "branch2.5": "branch.conv2",
        "branch2.6": "branch.bn3",
    }
    for number, depth in zip(trunk.stages, trunk.depths, strict=True):
        for i in range(depth):
            for theirs, ours in inside.items():
                prefixes[f"stage{number}.{i}.{theirs}"] = f"stage{number}.{i}.concat.{ours}"
    imagenet = replace(trunk, stem="imagenet")
    why = "its stem has stride 2 and a max pool"
    return (Layout("torchvision's", r"^stage2\.0\.branch2\.", by_module(prefixes), imagenet, why),)


FAMILY = Family(
    trunk=ShuffleNetV2,
    named={
        f"shufflenet_v2_x{str(scale).replace('.', '_')}": ShuffleNetV2(scale) for scale in CHANNELS
    },
    layouts=_layouts,
)
