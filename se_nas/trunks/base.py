"""The protocol of families: trunks as values, and the layers that their settings stand for.

To add a family write one file like ``resnet.py``: a frozen dataclass with the members of
``Trunk`` and a ``Family`` that names some of its values. Inside this package it goes into
``FAMILIES`` in ``trunks/__init__.py``; anyone else's package offers it as an entry point of the
group ``se_nas.trunks`` (``tests/trunks/test_entry_point.py`` has one, whole), and checks it with
``se_nas.testing.check_family``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from se_nas import dsl
from se_nas.errors import InputError
from se_nas.layers import Chain, Layer, SEBlock
from se_nas.se import SE

PLACEMENTS = ("standard", "pre", "post", "identity", "conv3x3")


class Trunk(Protocol):
    """A frozen dataclass whose fields are the settings (depths, width, groups, stem …)."""

    family: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __hash__(self) -> int: ...

    @property
    def stages(self) -> tuple[int, ...]:
        """The numbers of the stages, each of one digit, as the family's paper counts them."""
        ...

    @property
    def placements(self) -> tuple[str, ...]:
        """The SE placements that the family's block has."""
        ...

    @property
    def input_size(self) -> int:
        """The side in pixels that the family's figures are given for."""
        ...

    def stem_layers(self, in_channels: int) -> Chain: ...

    def stage_name(self, number: int) -> str: ...

    def stage_layers(self, number: int, se: SE | None) -> Chain: ...

    def head_layers(self, num_classes: int) -> Chain: ...


class Staged:
    """A mixin with the members that most trunks share; a trunk overrides those that differ.

    It takes ``depths``, units in each stage, and ``stem``, ``small`` or not, from the trunk.
    """

    depths: tuple[int, ...]
    stem: str

    @property
    def stages(self) -> tuple[int, ...]:
        raise NotImplementedError

    @property
    def input_size(self) -> int:
        return 32 if self.stem == "small" else 224

    def stage_name(self, number: int) -> str:
        return f"stage{number}"

    def stage_layers(self, number: int, se: SE | None) -> Chain:
        depth = self.depths[self.stages.index(number)]
        return tuple((str(i), self.unit(number, i == 0, se)) for i in range(depth))

    def unit(self, number: int, first: bool, se: SE | None) -> Layer:
        """Return one unit of a stage; the first one changes the width and the resolution."""
        raise NotImplementedError


@dataclass(frozen=True)
class Layout:
    """Another library's names for our parameters: a mark to know them by, and their translation.

    Attributes:
        source: whose layout it is, for messages.
        mark: a regular expression; a checkpoint has this layout if one of its keys matches.
        rename: their key → our key, or None for a key that we have no use for.
        trunk: the trunk that the layout's network has (the lineage: SPEC 3); None if no trunk of
            ours computes the same.
        why: the difference of that trunk from the one that was asked about, for the message.
        se_placement, se_gate: of the layout's SE blocks, which pool by the mean. They leave no
            trace in keys or shapes: weights would load into other SE blocks without an error.
    """

    source: str
    mark: str
    rename: Callable[[str], str | None]
    trunk: Trunk | None
    why: str = ""
    se_placement: str = "standard"
    se_gate: str = "sigmoid"


@dataclass(frozen=True)
class Family:
    """A family: its trunk class, named trunks, and public names that stand for longer ones."""

    trunk: type[Trunk]
    named: Mapping[str, Trunk]
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    layouts: Callable[[Any], tuple[Layout, ...]] = lambda _: ()

    @property
    def name(self) -> str:
        return self.trunk.family


@dataclass(frozen=True)
class Placed:
    """The chains of a block with the SE block put in."""

    branch: Chain
    shortcut: Chain
    after: Chain


def place(
    se: SE | None,
    branch: Chain,
    shortcut: Chain = (),
    *,
    c_in: int,
    c_out: int,
    c_shortcut: int | None = None,
    c_after: int | None = None,
    middle: tuple[str, int] | None = None,
) -> Placed:
    """Put an SE block into a block's chains (paper, Fig. 5 and section 6.4–6.5).

    standard: at the end of the branch; pre: at its start; conv3x3: behind ``middle``;
    identity: on the shortcut's output; post: behind the sum and its activation (``after``).

    Args:
        c_in: channels into the block; SE dialects that count from there use it.
        c_out: channels out of the branch.
        c_shortcut: channels out of the shortcut, ``c_out`` if not given.
        c_after: channels out of the whole block, ``c_out`` if not given.
        middle: (name, channels) of the last layer that belongs to the 3×3 convolution.
    """
    if se is None:
        return Placed(branch, shortcut, ())

    def block(channels: int) -> tuple[tuple[str, SEBlock], ...]:
        return (("se", se.block(channels, c_in)),)

    if se.placement == "pre":
        return Placed(block(c_in) + branch, shortcut, ())
    if se.placement == "post":
        return Placed(branch, shortcut, block(c_after or c_out))
    if se.placement == "identity":
        return Placed(branch, shortcut + block(c_shortcut or c_out), ())
    if se.placement == "conv3x3":
        assert middle is not None, "a trunk that offers conv3x3 names its middle layer"
        name, channels = middle
        end = [layer_name for layer_name, _ in branch].index(name) + 1
        return Placed(branch[:end] + block(channels) + branch[end:], shortcut, ())
    return Placed(branch + block(c_out), shortcut, ())


def check_placement(trunk: Trunk, number: int, se: SE | None) -> None:
    """Raise an ``InputError`` if ``se``, or an option of the template, cannot stand there."""
    for placement in dsl.options(se.placement) if se is not None else ():
        if placement not in trunk.placements:
            raise InputError(
                f"placement {placement!r} in stage {number}: the blocks of this {trunk.family} "
                f"have no such place; allowed: {', '.join(trunk.placements)}"
            )
