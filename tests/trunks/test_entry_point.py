"""A family of another package: the whole of what its author writes, installed and used.

The package lies in a folder on ``sys.path`` with the metadata that an installer would write.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import se_nas
from se_nas import SE, Architecture, trunks
from se_nas.cost.network_cost import cost
from se_nas.errors import InputError
from se_nas.testing import check_family

SOURCE = '''
"""A network of plain 3×3 convolutions, two stages."""

from dataclasses import dataclass
from typing import ClassVar

from se_nas.layers import Act, Conv, GlobalPool, Group, Linear, Norm, chain
from se_nas.trunks import Family, place


@dataclass(frozen=True)
class PlainNet:
    """Settings: ``width`` of stage 1 and the ``depths`` of both stages."""

    family: ClassVar[str] = "plainnet"

    width: int = 16
    depths: tuple[int, ...] = (1, 2)

    @property
    def stages(self):
        return (1, 2)

    @property
    def placements(self):
        return ("standard", "pre")

    @property
    def input_size(self):
        return 32

    def stage_name(self, number):
        return f"stage{number}"

    def stem_layers(self, in_channels):
        return chain(conv=Conv(in_channels, self.width, 3), bn=Norm(self.width), relu=Act())

    def stage_layers(self, number, se):
        blocks = []
        for i in range(self.depths[number - 1]):
            first_of_two = number == 2 and i == 0
            c_out = self.width * number
            c_in = self.width if first_of_two else c_out
            conv = Conv(c_in, c_out, 3, 2 if first_of_two else 1)
            branch = chain(conv=conv, bn=Norm(c_out), relu=Act())
            placed = place(se, branch, c_in=c_in, c_out=c_out)
            blocks.append((str(i), Group(placed.branch)))
        return tuple(blocks)

    def head_layers(self, num_classes):
        return chain(pool=GlobalPool(), fc=Linear(2 * self.width, num_classes))


FAMILY = Family(
    trunk=PlainNet,
    named={"plainnet": PlainNet()},
    aliases={"plainnet_best": "se_plainnet_r4"},
)
NOT_A_FAMILY = PlainNet()
TAKEN = Family(trunk=PlainNet, named={"resnet50": PlainNet()})
READS_AS_SE = Family(trunk=PlainNet, named={"plainnet_r8": PlainNet()})
WITHOUT_LETTERS = Family(trunk=PlainNet, named={"Plain Net": PlainNet()})


@dataclass(frozen=True)
class Impostor(PlainNet):
    family: ClassVar[str] = "resnet"


SAME_FAMILY = Family(trunk=Impostor, named={})
'''


def forget() -> None:
    for cached in (trunks.families, trunks.named, trunks.aliases):
        cached.cache_clear()


class Installer:
    """Installs a package that offers one object of ``SOURCE`` as an entry point."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, target: str) -> None:
        (self.folder / "plainnet_package.py").write_text(SOURCE, encoding="utf-8")
        info = self.folder / "plainnet_package-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: plainnet_package\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[se_nas.trunks]\nplainnet = {target}\n")
        forget()


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installer]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Installer(tmp_path)
    monkeypatch.undo()
    sys.modules.pop("plainnet_package", None)
    forget()


def test_a_family_of_another_package_is_used_like_ours(installer: Installer) -> None:
    assert "plainnet" not in trunks.named()
    installer.install("plainnet_package:FAMILY")
    assert {"plainnet", "se_plainnet_r16", "plainnet_best"} <= set(se_nas.list_models("*plainnet*"))

    plain = Architecture.parse("plainnet")
    model = se_nas.materialize(plain, num_classes=10).eval()
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    # stem 3·16·9 + 32; stage 1 16·16·9 + 32; stage 2 16·32·9 + 64, 32·32·9 + 64; head 330.
    assert cost(plain, num_classes=10).params == 432 + 32 + 2304 + 32 + 4608 + 64 + 9216 + 64 + 330
    assert cost(plain, num_classes=10).params == sum(p.numel() for p in model.parameters())

    best = Architecture.parse("plainnet_best")
    assert best == Architecture("plainnet", SE(reduction=4))
    assert str(best) == "plainnet_best"
    assert "stage2.1.se.fc1.weight" in se_nas.materialize(best).state_dict()

    wide = Architecture.parse("se_plainnet-width8-depths2.1_s2_r8_pre")
    assert wide.trunk.depths == (2, 1)  # type: ignore[attr-defined]
    assert str(wide) == "se_plainnet-width8-depths2.1_s2_r8_pre"
    assert Architecture.from_json(wide.to_json()) == wide
    with pytest.raises(InputError, match=r"placement 'post' in stage 1.*allowed: standard, pre"):
        Architecture("plainnet", SE(placement="post"))


def test_a_family_of_another_package_is_checked_like_ours(installer: Installer) -> None:
    """As the author's own test does it: the kit needs no more than the family."""
    installer.install("plainnet_package:FAMILY")
    family = trunks.families()["plainnet"]
    check_family(family, tiny=[replace(family.named["plainnet"], width=4)])  # type: ignore[type-var]
    forget()
    (installer.folder / "plainnet_package-1.0.dist-info" / "entry_points.txt").unlink()
    with pytest.raises(AssertionError, match="'plainnet' is not among the installed ones"):
        check_family(family)


def test_it_is_gone_when_it_is_not_installed() -> None:
    with pytest.raises(InputError, match="unknown model 'plainnet'"):
        Architecture.parse("plainnet")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("plainnet_package:NOT_A_FAMILY", "entry point 'plainnet' .* is not a Family"),
        ("plainnet_package:SAME_FAMILY", "family 'resnet' exists already"),
        ("plainnet_package:TAKEN", "'resnet50' is taken"),
        ("plainnet_package:READS_AS_SE", "'plainnet_r8' reads as an SE setting"),
        ("plainnet_package:WITHOUT_LETTERS", "'Plain Net' is taken or not a-z0-9_"),
    ],
)
def test_a_family_that_does_not_fit_is_refused(
    installer: Installer, target: str, message: str
) -> None:
    installer.install(target)
    with pytest.raises(InputError, match=message):
        trunks.families()


@pytest.mark.parametrize("target", ["plainnet_package:MISSING", "no_such_package:FAMILY"])
def test_an_entry_point_that_cannot_be_loaded_is_refused(installer: Installer, target: str) -> None:
    installer.install(target)
    with pytest.raises(InputError, match=r"'plainnet' of se_nas\.trunks cannot be loaded"):
        trunks.families()
