"""Inception-ResNet-v2 (Szegedy et al. 2017) by its released graph, for images of 299 px (SPEC 1.9).

The graph that was released (TF-slim; timm has the same) differs from the figures of its paper: a
shorter stem, 10, 20 and 10 blocks, 320, 1088 and 2080 channels. Its 13.16 G multiply-adds are not
the 11.75 G that the SE paper prints, and no known reading has those: the schema of the figures has
9.26 G with 5, 10 and 5 blocks and 14.14 G with 10, 20 and 10.

Stages 1, 2 and 3 are the runs of Inception-ResNet-A, -B and -C blocks; 2 and 3 begin with their
reduction. A block is ``relu(x + scale · up(concat(branches)))``: "up" is a 1×1 convolution with a
bias and no batch norm; the scales are 0.17, 0.10 and 0.20, and the last block of all has scale 1
and no ReLU. All other convolutions have batch norm (eps 1e-3), ReLU and no bias.

The SE paper (section 3.3) puts SE on the branch before the sum; whether the modules without a
shortcut had SE too it does not say, and here they have not (40 blocks):

=========  ==========================================================
placement  where
=========  ==========================================================
standard   behind the 1×1 "up", before the scale (a constant: the order is the same)
pre        at the start of the branch, before its towers
post       behind the sum and its ReLU
identity   on the shortcut
=========  ==========================================================

A block has towers of several kernels, so there is no one 3×3 to stand behind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeAlias

from se_nas.layers import (
    Act,
    Chain,
    Concat,
    Conv,
    Dropout,
    GlobalPool,
    Linear,
    Norm,
    Pool,
    ScaledResidual,
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

# A convolution: (channels, kernel, stride); with stride 2 it has no padding.
Tower: TypeAlias = tuple[tuple[int, int | tuple[int, int], int], ...]

MIXED: tuple[Tower, ...] = (
    ((96, 1, 1),),
    ((48, 1, 1), (64, 5, 1)),
    ((64, 1, 1), (96, 3, 1), (96, 3, 1)),
    ((64, 1, 1),),
)
BLOCKS: dict[int, tuple[Tower, ...]] = {
    1: (((32, 1, 1),), ((32, 1, 1), (32, 3, 1)), ((32, 1, 1), (48, 3, 1), (64, 3, 1))),
    2: (((192, 1, 1),), ((128, 1, 1), (160, (1, 7), 1), (192, (7, 1), 1))),
    3: (((192, 1, 1),), ((192, 1, 1), (224, (1, 3), 1), (256, (3, 1), 1))),
}
REDUCTIONS: dict[int, tuple[Tower, ...]] = {
    2: (((384, 3, 2),), ((256, 1, 1), (256, 3, 1), (384, 3, 2))),
    3: (
        ((256, 1, 1), (384, 3, 2)),
        ((256, 1, 1), (288, 3, 2)),
        ((256, 1, 1), (288, 3, 1), (320, 3, 2)),
    ),
}
SCALES = {1: 0.17, 2: 0.10, 3: 0.20}
STEM = (32, 32, 64, 80, 192)
HEAD = 1536
EPS = 1e-3
RELU = Act("relu")


@dataclass(frozen=True)
class InceptionResNetV2(Staged):
    """Settings of an Inception-ResNet-v2.

    Attributes:
        depths: blocks A, B and C.
        width: factor on all channels, rounded to multiples of 8.
        stem: ``imagenet``, or ``small`` (stride 1, padded, no pools; for 28–64 px).
    """

    family: ClassVar[str] = "inception_resnet_v2"

    depths: tuple[int, ...] = (10, 20, 10)
    width: float = 1.0
    stem: Literal["imagenet", "small"] = "imagenet"

    def __post_init__(self) -> None:
        check_depths(self, 3)
        check_multiplier(self, "width")
        check_choice(self, "stem", STEMS)

    @property
    def stages(self) -> tuple[int, ...]:
        return (1, 2, 3)

    @property
    def placements(self) -> tuple[str, ...]:
        return ("standard", "pre", "post", "identity")

    @property
    def input_size(self) -> int:
        return 32 if self.stem == "small" else 299

    def channels(self, channels: int) -> int:
        return make_divisible(channels * self.width)

    def c_out(self, number: int) -> int:
        """Return the channels of a stage's blocks, as its mixed module or reduction gives them."""
        towers = MIXED if number == 1 else REDUCTIONS[number]
        own = sum(self.channels(tower[-1][0]) for tower in towers)
        return own if number == 1 else own + self.c_out(number - 1)

    def stem_layers(self, in_channels: int) -> Chain:
        widths = (in_channels, *(self.channels(c) for c in STEM))
        small = self.stem == "small"
        layers: Chain = ()
        for i, (kernel, stride, padding) in enumerate(
            ((3, 2, 0), (3, 1, 0), (3, 1, 1), (1, 1, 0), (3, 1, 0)), 1
        ):
            conv = Conv(widths[i - 1], widths[i], kernel, stride, padding=padding)
            if small:
                conv = replace(conv, stride=1, padding=None)
            layers += _conv(i, conv)
            if i in (3, 5) and not small:
                layers += ((f"pool{i}", Pool("max")),)
        pool = Pool("avg_inside", stride=1, padding=1)
        towers = {f"branch{i}": self._tower(widths[-1], tower) for i, tower in enumerate(MIXED)}
        towers["branch3"] = chain(pool=pool) + towers["branch3"]
        return layers + chain(mixed=Concat(tuple(towers.items())))

    def stage_layers(self, number: int, se: SE | None) -> Chain:
        depth = of_stage(self.depths, self, number)
        reduction: Chain = ()
        if number > 1:
            c_in = self.c_out(number - 1)
            towers = {
                f"branch{i}": self._tower(c_in, tower) for i, tower in enumerate(REDUCTIONS[number])
            }
            towers["pool"] = chain(pool=Pool("max"))
            reduction = chain(reduction=Concat(tuple(towers.items())))
        last = number == self.stages[-1]
        return reduction + tuple(
            (str(i), self._block(number, last and i == depth - 1, se)) for i in range(depth)
        )

    def head_layers(self, num_classes: int) -> Chain:
        width = self.channels(HEAD)
        return chain(
            conv_head=Conv(self.c_out(3), width, 1),
            bn_head=Norm(width, EPS),
            relu_head=RELU,
            pool=GlobalPool(),
            dropout=Dropout(0.2),
            fc=Linear(width, num_classes),
        )

    def _block(self, number: int, last: bool, se: SE | None) -> ScaledResidual:
        c = self.c_out(number)
        towers = tuple(
            (f"branch{i}", self._tower(c, tower)) for i, tower in enumerate(BLOCKS[number])
        )
        middle = sum(self.channels(tower[-1][0]) for tower in BLOCKS[number])
        branch = chain(concat=Concat(towers), up=Conv(middle, c, 1, bias=True))
        placed = place(se, branch, c_in=c, c_out=c)
        act, scale = (None, 1.0) if last else (RELU, SCALES[number])
        return ScaledResidual(placed.branch, placed.shortcut, act, placed.after, scale)

    def _tower(self, c_in: int, tower: Tower) -> Chain:
        layers: Chain = ()
        for i, (channels, kernel, stride) in enumerate(tower, 1):
            c_out = self.channels(channels)
            padding = None if stride == 1 else 0
            layers += _conv(i, Conv(c_in, c_out, kernel, stride, padding=padding))
            c_in = c_out
        return layers


def _conv(number: int, conv: Conv) -> Chain:
    return (
        (f"conv{number}", conv),
        (f"bn{number}", Norm(conv.c_out, EPS)),
        (f"relu{number}", RELU),
    )


def _layouts(trunk: InceptionResNetV2) -> tuple[Layout, ...]:
    """Return timm's layout; it numbers the convolutions of a tower only if there are several."""
    prefixes = {"conv2d_7b.conv": "conv_head", "conv2d_7b.bn": "bn_head", "classif": "fc"}
    for i, name in enumerate(("1a", "2a", "2b", "3b", "4a"), 1):
        prefixes |= {f"conv2d_{name}.conv": f"conv{i}", f"conv2d_{name}.bn": f"bn{i}"}

    def add(theirs: str, ours: str, towers: tuple[Tower, ...]) -> None:
        for i, tower in enumerate(towers):
            for j in range(len(tower)):
                number = f".{j}" if len(tower) > 1 else ""
                if (theirs, i) == ("mixed_5b", 3):
                    number = ".1"  # behind the pool
                for part in ("conv", "bn"):
                    prefixes[f"{theirs}.branch{i}{number}.{part}"] = (
                        f"{ours}.branch{i}.{part}{j + 1}"
                    )

    add("mixed_5b", "mixed", MIXED)
    add("mixed_6a", "stage2.reduction", REDUCTIONS[2])
    add("mixed_7a", "stage3.reduction", REDUCTIONS[3])
    runs = {1: "repeat", 2: "repeat_1", 3: "repeat_2"}
    for number, depth in zip(trunk.stages, trunk.depths, strict=True):
        for i in range(depth):
            theirs = "block8" if (number, i) == (3, depth - 1) else f"{runs[number]}.{i}"
            add(theirs, f"stage{number}.{i}.concat", BLOCKS[number])
            prefixes[f"{theirs}.conv2d"] = f"stage{number}.{i}.up"
    imagenet = replace(trunk, stem="imagenet")
    why = "its stem has strides and pools"
    return (Layout("timm's", r"^conv2d_1a\.", by_module(prefixes), imagenet, why),)


FAMILY = Family(
    trunk=InceptionResNetV2,
    named={"inception_resnet_v2": InceptionResNetV2()},
    layouts=_layouts,
)
