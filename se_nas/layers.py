"""The frozen values that a network is made of: a description, not yet a module.

A trunk describes itself with these values once. Everything else is derived from that one
description: ``se_nas.nn.blocks`` builds the ``nn.Module``, ``se_nas.cost`` counts it by arithmetic,
``Architecture.id`` hashes it into the canonical id. This file imports no torch.

A ``Chain`` is a tuple of ``(name, layer)`` pairs; the names become module names, hence the keys
of the state dict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Activation: TypeAlias = Literal["relu", "relu6", "hard_swish"]
Backward: TypeAlias = Literal["shake", "even"]

NARROW = 16  # input channels of a group; oneDNN computes in blocks of 16 (AVX-512) or 8 (AVX2)


@dataclass(frozen=True)
class Conv:
    """2-d convolution. ``kernel`` is a side or (height, width); ``padding`` None keeps the size."""

    c_in: int
    c_out: int
    kernel: int | tuple[int, int] = 1
    stride: int = 1
    groups: int = 1
    bias: bool = False
    padding: int | None = None

    @property
    def kernel_hw(self) -> tuple[int, int]:
        return self.kernel if isinstance(self.kernel, tuple) else (self.kernel, self.kernel)

    @property
    def padding_hw(self) -> tuple[int, int]:
        k_h, k_w = self.kernel_hw
        return (k_h // 2, k_w // 2) if self.padding is None else (self.padding, self.padding)

    @property
    def picks_first(self) -> bool:
        """Whether its pixels are picked before: see ``se_nas.nn.narrow``."""
        few = self.c_in // self.groups < NARROW
        return few and self.stride > 1 and (self.kernel_hw, self.padding_hw) == ((1, 1), (0, 0))


@dataclass(frozen=True)
class Norm:
    """Batch normalisation over ``channels``."""

    channels: int
    eps: float = 1e-5
    momentum: float = 0.1


@dataclass(frozen=True)
class Act:
    kind: Activation = "relu"


@dataclass(frozen=True)
class Pool:
    """Windowed pooling; ``ceil`` and ``padding`` tell the lineages apart (SPEC 1.2).

    ``avg`` divides by the whole window, ``avg_inside`` by the part of it that is not padding.
    """

    kind: Literal["max", "avg", "avg_inside"]
    kernel: int = 3
    stride: int = 2
    padding: int = 0
    ceil: bool = False


@dataclass(frozen=True)
class EndPaddedMaxPool(Pool):
    """A max pool of a map behind whose last row and column ``end`` more follow, of −∞."""

    end: int = 1


@dataclass(frozen=True)
class GlobalPool:
    """(C, H, W) → (C,): the mean over the map."""


@dataclass(frozen=True)
class Flatten:
    """(C, H, W) → (C · side²,): the means over the cells of a ``side`` × ``side`` grid."""

    side: int


@dataclass(frozen=True)
class Linear:
    c_in: int
    c_out: int
    bias: bool = True


@dataclass(frozen=True)
class Dropout:
    p: float


@dataclass(frozen=True)
class Shuffle:
    """ShuffleNet's channel shuffle: (groups, C / groups) transposed."""

    groups: int


@dataclass(frozen=True)
class Subsample:
    """Every ``stride``-th pixel, with channels of zeros behind the input's up to ``channels``.

    With ``shift`` 1 the map is moved right and down by one pixel before, zeros behind it.
    """

    channels: int
    stride: int = 2
    shift: Literal[0, 1] = 0


@dataclass(frozen=True)
class SEBlock:
    """An SE block with its widths resolved: an ``SE`` value at one place of a network.

    ``squeeze`` and ``gate`` are names in ``se_nas.squeezes.SQUEEZES`` and ``GATES``.
    """

    channels: int
    squeeze_width: int
    squeeze: str = "avg"
    gate: str = "sigmoid"
    bias: bool = True


@dataclass(frozen=True)
class Residual:
    """``after(act(shortcut(x) + branch(x)))``; an empty shortcut is the identity."""

    branch: Chain
    shortcut: Chain = ()
    act: Act | None = None
    after: Chain = ()


@dataclass(frozen=True)
class ScaledResidual(Residual):
    """A residual block whose branch is multiplied by the constant ``scale`` before the sum."""

    scale: float = 1.0


@dataclass(frozen=True)
class Shake:
    """Two branches mixed: ``a · first + (1 − a) · second``, and their mean in ``eval``.

    In training ``a`` is drawn from [0, 1) for each image. The gradient is divided by another such
    number (``backward`` "shake") or in halves ("even").
    """

    branches: tuple[tuple[str, Chain], tuple[str, Chain]]
    backward: Backward = "shake"


@dataclass(frozen=True)
class Concat:
    """The branches' outputs, side by side in the channels.

    With ``split``, the input's channels are first divided equally among the branches
    (ShuffleNet v2); an empty branch passes its part on.
    """

    branches: tuple[tuple[str, Chain], ...]
    split: bool = False


@dataclass(frozen=True)
class Group:
    """A chain with a name of its own: a sub-module."""

    chain: Chain


Layer: TypeAlias = (
    Conv
    | Norm
    | Act
    | Pool
    | EndPaddedMaxPool
    | GlobalPool
    | Flatten
    | Linear
    | Dropout
    | Shuffle
    | Subsample
    | SEBlock
    | Residual
    | ScaledResidual
    | Shake
    | Concat
    | Group
)
Chain: TypeAlias = tuple[tuple[str, Layer], ...]


def chain(**layers: Layer) -> Chain:
    """Return a chain written as keywords: ``chain(conv1=Conv(3, 64), bn1=Norm(64))``."""
    return tuple(layers.items())


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round to a multiple of ``divisor``, never more than 10 % down (MobileNet's rule).

    >>> make_divisible(18), make_divisible(30)
    (24, 32)
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def may_overwrite(before: Layer | None) -> bool:
    """Return whether an activation may overwrite its input, given the layer ``before`` it.

    A chain's own input may be needed elsewhere (a shortcut), and the output of an SE block is
    left to those who hook it.
    """
    return not (before is None or isinstance(before, SEBlock))
