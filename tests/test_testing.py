"""The kit for other packages' trunks: a sound one passes, and each kind of breakage is named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from se_nas import SE, testing, trunks
from se_nas.layers import (
    Act,
    Chain,
    Conv,
    GlobalPool,
    Group,
    Layer,
    Linear,
    Norm,
    ScaledResidual,
    chain,
)
from se_nas.trunks import Family, Staged, Trunk, place


@dataclass(frozen=True)
class Sound(Staged):
    """Two stages of plain 3×3 convolutions."""

    family: ClassVar[str] = "sound"

    width: int = 8
    depths: tuple[int, ...] = (1, 2)

    @property
    def stages(self) -> tuple[int, ...]:
        return (1, 2)

    @property
    def placements(self) -> tuple[str, ...]:
        return ("standard", "pre")

    @property
    def input_size(self) -> int:
        return 32

    def stem_layers(self, in_channels: int) -> Chain:
        return chain(conv=Conv(in_channels, self.width, 3), bn=Norm(self.width), relu=Act())

    def unit(self, number: int, first: bool, se: SE | None) -> Layer:
        c_out = self.width * number
        c_in = self.width if first else c_out
        branch = chain(
            conv=Conv(c_in, c_out, 3, number if first else 1), bn=Norm(c_out), relu=Act()
        )
        return Group(place(se, branch, c_in=c_in, c_out=c_out).branch)

    def head_layers(self, num_classes: int) -> Chain:
        return chain(pool=GlobalPool(), fc=Linear(2 * self.width, num_classes))


class WrongChannels(Sound):
    def head_layers(self, num_classes: int) -> Chain:
        return chain(pool=GlobalPool(), fc=Linear(self.width, num_classes))


class WrongNorm(Sound):
    def stem_layers(self, in_channels: int) -> Chain:
        return chain(conv=Conv(in_channels, self.width, 3), bn=Norm(2 * self.width), relu=Act())


class AlwaysRGB(Sound):
    def stem_layers(self, in_channels: int) -> Chain:
        return super().stem_layers(3)


class AlwaysThousand(Sound):
    def head_layers(self, num_classes: int) -> Chain:
        return super().head_layers(1000)


class TooSmall(Sound):
    @property
    def input_size(self) -> int:
        return 0


class LongNumbers(Sound):
    @property
    def stages(self) -> tuple[int, ...]:
        return (1, 10)


class Backwards(Sound):
    @property
    def stages(self) -> tuple[int, ...]:
        return (2, 1)


class OneName(Sound):
    def stage_name(self, number: int) -> str:
        return "stage"


class NameOfTheHead(Sound):
    def stage_name(self, number: int) -> str:
        return "fc" if number == 2 else "stage1"


class NoSuchPlace(Sound):
    @property
    def placements(self) -> tuple[str, ...]:
        return ("standard", "before")


class LostBlock(Sound):
    """SE in its second stage is forgotten."""

    def unit(self, number: int, first: bool, se: SE | None) -> Layer:
        return super().unit(number, first, se if number == 1 else None)


class BlockOfItsOwn(Sound):
    """There is SE whether asked for or not."""

    def unit(self, number: int, first: bool, se: SE | None) -> Layer:
        return super().unit(number, first, se or SE(4))


class UnitTwice(Sound):
    def stage_layers(self, number: int, se: SE | None) -> Chain:
        chain = super().stage_layers(number, se)
        return chain if number == 1 else (chain[0], chain[1], chain[1])


class DeadBranch(Sound):
    """A branch whose share in the sum is nothing."""

    def unit(self, number: int, first: bool, se: SE | None) -> Layer:
        unit = super().unit(number, first, se)
        assert isinstance(unit, Group)
        return unit if first else ScaledResidual(unit.chain, scale=0.0)


@dataclass(frozen=True)
class EndsInADigit(Sound):
    groups2: int = 1


@dataclass(frozen=True)
class NoType(Sound):
    stem_width: int | None = None


@dataclass(frozen=True)
class FloatsInATuple(Sound):
    ratios: tuple[float, ...] = (0.5, 1.0)


@dataclass
class NotFrozen(Staged):
    """A dataclass that can be changed cannot be hashed."""

    family: ClassVar[str] = "sound"

    width: int = 8
    depths: tuple[int, ...] = (1, 2)
    stages = Sound.stages
    placements = Sound.placements
    input_size = Sound.input_size
    stem_layers = Sound.stem_layers
    unit = Sound.unit
    head_layers = Sound.head_layers


@pytest.fixture(autouse=True)
def _uninstalled() -> Iterator[None]:
    yield
    forget()


def forget() -> None:
    for cached in (trunks.families, trunks.named, trunks.aliases):
        cached.cache_clear()


def install(monkeypatch: pytest.MonkeyPatch, kind: type, **more: Any) -> Family:
    given: dict[str, Any] = {"named": {"sound": kind()}} | more
    family = Family(trunk=kind, **given)
    monkeypatch.setitem(trunks.FAMILIES, "sound", family)
    forget()
    return family


def test_a_sound_family_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    named = {"sound": Sound(), "sound_deep": Sound(depths=(2, 2))}
    aliases = {"sound_best": "se_sound_r4"}
    family = install(monkeypatch, Sound, named=named, aliases=aliases)
    testing.check_family(family, tiny=[Sound(width=4)])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (WrongChannels, "building and running sound: RuntimeError: .*16.*8"),
        (WrongNorm, "running .*sound.*: RuntimeError: running_mean"),
        (AlwaysRGB, "building and running sound: RuntimeError: .*channel"),
        (AlwaysThousand, r"sound gives \(2, 1000\) for 2 images of 10 classes"),
        (TooSmall, "the cost of sound: InputError: input_size is 0"),
        (LongNumbers, r"has stages \[1, 10\]: give ascending numbers of one digit"),
        (Backwards, r"has stages \[2, 1\]: give ascending numbers"),
        (OneName, r"have the names \['stage'\] twice"),
        (NameOfTheHead, r"have the names \['fc'\] twice"),
        (NoSuchPlace, r"offers \['before'\], which are no placements"),
        (LostBlock, r"stage 2 \(stage2\) has the SE blocks \[\], its setting is SE\("),
        (BlockOfItsOwn, r"stage 1 \(stage1\) has the SE blocks \['stage1.0.se'\], .* is None"),
        (UnitTwice, r"sound: \d+ parameters, the cost has Cost\(params="),
        (DeadBranch, r"what the SE blocks \['stage2.1.se'\] do has no part in the output"),
        (EndsInADigit, "setting 'groups2' of .* ends in a digit"),
        (NoType, "setting 'stem_width' of .* is None: names have bool, int"),
        (FloatsInATuple, r"setting 'ratios' of .* is \(0.5, 1.0\): in names a tuple has one int"),
        (NotFrozen, "hashing .*: TypeError: unhashable"),
    ],
)
def test_a_broken_trunk_is_named(
    monkeypatch: pytest.MonkeyPatch, kind: type[Any], message: str
) -> None:
    family = install(monkeypatch, kind)
    with pytest.raises(AssertionError, match=message):
        testing.check_family(family, tiny=[replace(kind(), width=4)])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"named": {}}, "family 'sound' has no named trunk"),
        ({"named": {"sound": Sound(), "sound_too": Sound(8)}}, "'sound' and 'sound_too' are the"),
        ({"named": {"sound": trunks.named()["resnet18"]}}, "'sound' is no Sound"),
        ({"aliases": {"best": "se_sound_r4_tanhh"}}, "the alias 'best' of 'se_sound_r4_tanhh': "),
        ({"aliases": {"best": "se_sound_s1_r4_s2_r4"}}, "the alias 'best' is written as 'se_sound"),
    ],
)
def test_a_broken_family_is_named(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], message: str
) -> None:
    family = install(monkeypatch, Sound, **more)
    with pytest.raises(AssertionError, match=message):
        testing.check_family(family)


def test_the_kit_needs_no_test_framework() -> None:
    code = "import sys, se_nas.testing; print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_family_that_is_not_installed_is_named() -> None:
    trunk: Trunk = Sound()
    family = Family(trunk=Sound, named={"sound": trunk})
    with pytest.raises(AssertionError, match="offer it as an entry point of the group"):
        testing.check_family(family)
