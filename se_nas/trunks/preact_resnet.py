"""Pre-activation ResNets and wide ResNets for 32 px (He et al. 2016b, Zagoruyko 2016; SPEC 1.10).

Batch norm and ReLU stand before each convolution; a unit is ``x + branch(x)`` with nothing behind
the sum. Where channels or side change, the first batch norm and ReLU are shared by branch and
shortcut. The SE paper's CIFAR errors (Tables 4, 5: 6.37 and 5.46 for ResNet-110 and -164) are those
of the full pre-activation networks.

The shortcut where the shape changes is ``pad`` (every second pixel, channels of zeros; option A) or
``conv`` (1×1, no batch norm; option B). ResNet-110 has A, as He et al. 2016a for all their CIFAR
networks of basic blocks: 1,727,962 parameters with 10 classes; B has 1,730,522, and the 1.7 M that
is printed fits both (``resnet110_preact-shortcut.conv`` is the other one). ResNet-164 and WRN have
B. In bottlenecks the first 1×1 has the stride, as in the authors' own code.

=========  ==========================================================
placement  where
=========  ==========================================================
standard   behind the branch's last convolution, before the sum
pre        at the start of the branch; where the first batch norm and ReLU are shared, behind them
post       behind the sum
identity   on the shortcut
conv3x3    behind the 3×3 and the batch norm and ReLU that follow it (bottlenecks)
=========  ==========================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from se_nas import dsl
from se_nas.errors import InputError
from se_nas.layers import (
    Act,
    Chain,
    Conv,
    GlobalPool,
    Group,
    Linear,
    Norm,
    Residual,
    Subsample,
    chain,
)
from se_nas.se import SE
from se_nas.trunks.base import PLACEMENTS, Family, Staged, place
from se_nas.trunks.checks import check_choice, check_depths, check_whole

RELU = Act("relu")


@dataclass(frozen=True)
class PreActResNet(Staged):
    """Settings of a pre-activation ResNet.

    Attributes:
        depths: units in each of the three stages.
        block: ``basic`` (two 3×3) or ``bottleneck`` (1×1, 3×3, 1×1, output 4 × its base width).
        width: base width of stage 2; every further stage doubles it.
        stem_width: channels of the 3×3 stem.
        shortcut: ``pad`` or ``conv``, see the module.
    """

    family: ClassVar[str] = "preact_resnet"

    depths: tuple[int, ...] = (18, 18, 18)
    block: Literal["basic", "bottleneck"] = "basic"
    width: int = 16
    stem_width: int = 16
    shortcut: Literal["pad", "conv"] = "pad"

    def __post_init__(self) -> None:
        check_depths(self, 3)
        check_choice(self, "block", ("basic", "bottleneck"))
        check_choice(self, "shortcut", ("pad", "conv"))
        check_whole(self, "width")
        check_whole(self, "stem_width")
        if dsl.is_template(self):
            return
        if self.shortcut == "pad" and self.stem_width > self.c_out(2):
            raise InputError(
                f"stem_width={self.stem_width}: a shortcut of zeros cannot lead to the "
                f"{self.c_out(2)} channels of stage 2; use shortcut='conv'"
            )

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
        return chain(conv_stem=Conv(in_channels, self.stem_width, 3))

    def head_layers(self, num_classes: int) -> Chain:
        width = self.c_out(4)
        return chain(
            bn_head=Norm(width), relu_head=RELU, pool=GlobalPool(), fc=Linear(width, num_classes)
        )

    def unit(self, number: int, first: bool, se: SE | None) -> Residual | Group:
        c_out = self.c_out(number)
        c_in = c_out
        if first:
            c_in = self.stem_width if number == 2 else self.c_out(number - 1)
        stride = 2 if first and number > 2 else 1
        before = chain(bn1=Norm(c_in), relu1=RELU)
        branch = self._branch(number, c_in, stride)
        middle = ("relu3", self.width << (number - 2))
        if c_in == c_out and stride == 1:
            placed = place(se, before + branch, c_in=c_in, c_out=c_out, middle=middle)
            return Residual(placed.branch, placed.shortcut, after=placed.after)
        shortcut = (
            chain(conv=Conv(c_in, c_out, 1, stride))
            if self.shortcut == "conv"
            else chain(pad=Subsample(c_out, stride))
        )
        placed = place(se, branch, shortcut, c_in=c_in, c_out=c_out, middle=middle)
        residual = Residual(placed.branch, placed.shortcut, after=placed.after)
        return Group(before + chain(residual=residual))

    def _branch(self, number: int, c_in: int, stride: int) -> Chain:
        """Return the layers behind the first batch norm and ReLU."""
        width, c_out = self.width << (number - 2), self.c_out(number)
        if self.block == "basic":
            return chain(
                conv1=Conv(c_in, width, 3, stride),
                bn2=Norm(width),
                relu2=RELU,
                conv2=Conv(width, width, 3),
            )
        return chain(
            conv1=Conv(c_in, width, 1, stride),
            bn2=Norm(width),
            relu2=RELU,
            conv2=Conv(width, width, 3),
            bn3=Norm(width),
            relu3=RELU,
            conv3=Conv(width, c_out, 1),
        )


FAMILY = Family(
    trunk=PreActResNet,
    named={
        "resnet110_preact": PreActResNet(),
        "resnet164_preact": PreActResNet(block="bottleneck", shortcut="conv"),
        "wrn16_8": PreActResNet((2, 2, 2), width=128, shortcut="conv"),
    },
)
