"""BN-Inception (Ioffe and Szegedy 2015), as in the authors' released SE-BN-Inception (SPEC 1.6).

Stages 3, 4 and 5 have 3, 5 and 2 modules; each puts up to four branches side by side: 1×1 | 3×3 |
two 3×3 | pool. The last modules of stages 3 and 4 have stride 2, no 1×1 branch, and a max pool that
is passed on as it is. Convolutions have no bias, but batch norm (eps 1e-5) and ReLU behind them;
average pools count the padding; pools with stride 2 have ceil mode and no padding, but beside
convolutions one more row and column at the end: odd sides fit. The last module pools by the
maximum.

The SE paper (Fig. 2 and section 3.3) takes the whole module as the transformation to recalibrate:

=========  ==========================================================
placement  where
=========  ==========================================================
standard   behind the concatenation of every module, those with stride 2 too (10 blocks)
pre        at the start of every module, before its branches
=========  ==========================================================

Without a shortcut there is neither a post nor an identity place, and no one 3×3 in a module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from se_nas.layers import (
    Act,
    Chain,
    Concat,
    Conv,
    EndPaddedMaxPool,
    GlobalPool,
    Group,
    Linear,
    Norm,
    Pool,
    chain,
    make_divisible,
)
from se_nas.se import SE
from se_nas.trunks.base import Family, Staged, place
from se_nas.trunks.checks import STEMS, check_choice, check_multiplier


@dataclass(frozen=True)
class Module:
    """Channels of a module's branches; ``pool`` 0 passes a max pool with stride 2 on."""

    one: int
    three: tuple[int, int]
    double: tuple[int, int, int]
    pool: int
    kind: Literal["avg", "max"] = "avg"

    @property
    def stride(self) -> int:
        return 1 if self.pool else 2


MODULES: dict[int, tuple[Module, ...]] = {
    3: (
        Module(64, (64, 64), (64, 96, 96), 32),
        Module(64, (64, 96), (64, 96, 96), 64),
        Module(0, (128, 160), (64, 96, 96), 0),
    ),
    4: (
        Module(224, (64, 96), (96, 128, 128), 128),
        Module(192, (96, 128), (96, 128, 128), 128),
        Module(160, (128, 160), (128, 160, 160), 128),
        Module(96, (128, 192), (160, 192, 192), 128),
        Module(0, (128, 192), (192, 256, 256), 0),
    ),
    5: (
        Module(352, (192, 320), (160, 224, 224), 128),
        Module(352, (192, 320), (192, 224, 224), 128, "max"),
    ),
}
STEM = (64, 64, 192)
RELU = Act("relu")


@dataclass(frozen=True)
class BNInception(Staged):
    """Settings of a BN-Inception.

    Attributes:
        width: factor on all channels, rounded to multiples of 8.
        stem: ``imagenet`` (7×7 stride 2, two max pools), or ``small`` (3×3 stride 1, no pool, and
            pools with stride 2 padded so that odd sides fit; for 28–64 px).
    """

    family: ClassVar[str] = "bn_inception"

    width: float = 1.0
    stem: Literal["imagenet", "small"] = "imagenet"

    def __post_init__(self) -> None:
        check_multiplier(self, "width")
        check_choice(self, "stem", STEMS)

    @property
    def stages(self) -> tuple[int, ...]:
        return (3, 4, 5)

    @property
    def placements(self) -> tuple[str, ...]:
        return ("standard", "pre")

    def channels(self, channels: int) -> int:
        return make_divisible(channels * self.width)

    def stem_layers(self, in_channels: int) -> Chain:
        first, reduce, second = (self.channels(c) for c in STEM)
        small = self.stem == "small"
        pool = Pool("max", ceil=True)
        return (
            chain(
                conv1=Conv(in_channels, first, 3 if small else 7, 1 if small else 2),
                bn1=Norm(first),
                relu1=RELU,
            )
            + (() if small else chain(pool1=pool))
            + chain(
                conv2=Conv(first, reduce, 1),
                bn2=Norm(reduce),
                relu2=RELU,
                conv3=Conv(reduce, second, 3),
                bn3=Norm(second),
                relu3=RELU,
            )
            + (() if small else chain(pool2=pool))
        )

    def stage_layers(self, number: int, se: SE | None) -> Chain:
        return tuple(
            (str(i), self._module(number, i, module, se))
            for i, module in enumerate(MODULES[number])
        )

    def head_layers(self, num_classes: int) -> Chain:
        return chain(pool=GlobalPool(), fc=Linear(self.c_out(5, 1), num_classes))

    def c_out(self, number: int, index: int) -> int:
        """Return the channels out of a module."""
        module = MODULES[number][index]
        last = (module.one, module.three[-1], module.double[-1], module.pool)
        own = sum(self.channels(channels) for channels in last if channels)
        return own if module.pool else own + self.c_in(number, index)

    def c_in(self, number: int, index: int) -> int:
        """Return the channels into a module."""
        if index:
            return self.c_out(number, index - 1)
        if number > 3:
            return self.c_out(number - 1, len(MODULES[number - 1]) - 1)
        return self.channels(STEM[-1])

    def _module(self, number: int, index: int, module: Module, se: SE | None) -> Group:
        c_in, stride = self.c_in(number, index), module.stride
        branches: dict[str, Chain] = {}
        if module.one:
            branches["branch_1x1"] = self._convs(c_in, (module.one, 1, 1))
        branches["branch_3x3"] = self._convs(
            c_in, (module.three[0], 1, 1), (module.three[1], 3, stride)
        )
        reduce, a, b = module.double
        branches["branch_double"] = self._convs(c_in, (reduce, 1, 1), (a, 3, 1), (b, 3, stride))
        if module.pool:
            pool = chain(pool=Pool(module.kind, stride=1, padding=1))
            branches["branch_pool"] = pool + self._convs(c_in, (module.pool, 1, 1))
        else:
            small = self.stem == "small"
            branches["branch_pool"] = chain(
                pool=Pool("max", padding=1) if small else EndPaddedMaxPool("max", ceil=True)
            )
        concat = chain(concat=Concat(tuple(branches.items())))
        return Group(place(se, concat, c_in=c_in, c_out=self.c_out(number, index)).branch)

    def _convs(self, c_in: int, *convs: tuple[int, int, int]) -> Chain:
        """Return convolutions of (channels, kernel, stride), each with batch norm and ReLU."""
        layers: Chain = ()
        for i, (channels, kernel, stride) in enumerate(convs, 1):
            c_out = self.channels(channels)
            layers += (
                (f"conv{i}", Conv(c_in, c_out, kernel, stride)),
                (f"bn{i}", Norm(c_out)),
                (f"relu{i}", RELU),
            )
            c_in = c_out
        return layers


FAMILY = Family(trunk=BNInception, named={"bn_inception": BNInception()})
