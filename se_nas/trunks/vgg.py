"""VGG-16 with batch norm (Simonyan and Zisserman 2015, configuration D), as torchvision has it.

A unit is a 3×3 convolution (with a bias, as in torchvision: 138,365,992 parameters), batch norm and
ReLU. A stage is the run of units between two max pools; its first unit begins with the pool, so
that a stage's output is its last SE block's. The convolution on the image is the stem, its SE
block is the first layer of stage 1. The head has three fully connected layers.

The SE paper (section 3.3) puts SE behind the nonlinearity of each convolution of a VGG:

=========  ==========================================================
placement  where
=========  ==========================================================
standard   behind convolution, batch norm and ReLU; before the pool where one follows
pre        before the convolution, behind the pool where there is one; not on the image
=========  ==========================================================

Without a shortcut there is neither a post nor an identity place, and behind the 3×3 is standard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from se_nas.layers import (
    Act,
    Chain,
    Conv,
    Dropout,
    Flatten,
    GlobalPool,
    Group,
    Linear,
    Norm,
    Pool,
    chain,
)
from se_nas.se import SE
from se_nas.trunks.base import Family, Layout, Staged, place
from se_nas.trunks.checks import STEMS, by_module, check_choice, check_depths, check_whole, of_stage

# A stage's width in units of the first one's.
FACTORS = (1, 2, 4, 8, 8)
GRID = 7
RELU = Act("relu")


@dataclass(frozen=True)
class VGG(Staged):
    """Settings of a VGG with batch norm.

    Attributes:
        depths: convolutions in each of the five stages.
        width: channels of the first stage; the others have 2, 4, 8 and 8 times as many.
        hidden: width of the head's two hidden layers.
        stem: ``imagenet``, or ``small`` for 28–64 px: no pool behind the last stage, and a head of
            global pooling and one fully connected layer.
    """

    family: ClassVar[str] = "vgg"

    depths: tuple[int, ...] = (2, 2, 3, 3, 3)
    width: int = 64
    hidden: int = 4096
    stem: Literal["imagenet", "small"] = "imagenet"

    def __post_init__(self) -> None:
        check_depths(self, len(FACTORS))
        check_whole(self, "width")
        check_whole(self, "hidden")
        check_choice(self, "stem", STEMS)

    @property
    def stages(self) -> tuple[int, ...]:
        return (1, 2, 3, 4, 5)

    @property
    def placements(self) -> tuple[str, ...]:
        return ("standard", "pre")

    def c_out(self, number: int) -> int:
        return self.width * of_stage(FACTORS, self, number)

    def stem_layers(self, in_channels: int) -> Chain:
        conv = Conv(in_channels, self.width, 3, bias=True)
        return chain(conv_stem=conv, bn_stem=Norm(self.width), relu_stem=RELU)

    def stage_layers(self, number: int, se: SE | None) -> Chain:
        depth = of_stage(self.depths, self, number)
        if number > 1:
            return tuple((str(i), self._unit(number, i == 0, se)) for i in range(depth))
        on_stem: Chain = ()
        if se is not None and se.placement == "standard":
            on_stem = place(se, (), c_in=self.width, c_out=self.width).branch
        return on_stem + tuple((str(i), self._unit(1, False, se)) for i in range(1, depth))

    def head_layers(self, num_classes: int) -> Chain:
        width, hidden = self.c_out(5), self.hidden
        if self.stem == "small":
            return chain(pool=GlobalPool(), fc=Linear(width, num_classes))
        return chain(
            pool=Pool("max", 2),
            flatten=Flatten(GRID),
            fc1=Linear(width * GRID**2, hidden),
            relu1=RELU,
            drop1=Dropout(0.5),
            fc2=Linear(hidden, hidden),
            relu2=RELU,
            drop2=Dropout(0.5),
            fc=Linear(hidden, num_classes),
        )

    def _unit(self, number: int, first: bool, se: SE | None) -> Group:
        c_out = self.c_out(number)
        c_in = self.c_out(number - 1) if first else c_out
        branch = chain(conv=Conv(c_in, c_out, 3, bias=True), bn=Norm(c_out), relu=RELU)
        pool = chain(pool=Pool("max", 2)) if first else ()
        return Group(pool + place(se, branch, c_in=c_in, c_out=c_out).branch)


def _layouts(trunk: VGG) -> tuple[Layout, ...]:
    """Return the layouts of known checkpoints.

    torchvision and timm number all layers; timm writes the hidden ones as convolutions.
    """
    features: dict[str, str] = {}
    at = 0
    for number, depth in zip(trunk.stages, trunk.depths, strict=True):
        for i in range(depth):
            unit = f"stage{number}.{i}."
            stem = (number, i) == (1, 0)
            features[f"features.{at}"] = "conv_stem" if stem else unit + "conv"
            features[f"features.{at + 1}"] = "bn_stem" if stem else unit + "bn"
            at += 3
        at += 1  # the pool
    torchvision = {"classifier.0": "fc1", "classifier.3": "fc2", "classifier.6": "fc"}
    timm = {"pre_logits.fc1": "fc1", "pre_logits.fc2": "fc2", "head.fc": "fc"}
    imagenet = replace(trunk, stem="imagenet")
    why = "it has a pool behind its last stage and three fully connected layers"
    return tuple(
        Layout(source, mark, by_module(features | head), imagenet, why)
        for source, mark, head in (
            ("torchvision's", r"^classifier\.0\.", torchvision),
            ("timm's", r"^pre_logits\.", timm),
        )
    )


FAMILY = Family(trunk=VGG, named={"vgg16_bn": VGG()}, layouts=_layouts)
