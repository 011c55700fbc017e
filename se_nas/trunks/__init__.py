"""The families, by name: those of this package and those that other packages offer.

A family of another package is an entry point of the group ``se_nas.trunks`` whose object is a
``Family``.

base                   ``Trunk``, ``Family`` and ``place``, which puts SE into a block
checks                 checks of settings that several families have
resnet_layouts         other libraries' names of its parameters
mobilenet_v3_layouts   the same

Every other file is a family.
"""

from __future__ import annotations

import re
from dataclasses import fields
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any

from se_nas.errors import InputError, unknown
from se_nas.se import SE_TOKEN
from se_nas.trunks import (
    bn_inception,
    inception_resnet_v2,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3,
    preact_resnet,
    resnet,
    shake_shake,
    shufflenet_v1,
    shufflenet_v2,
    vgg,
)
from se_nas.trunks.base import PLACEMENTS, Family, Layout, Placed, Staged, Trunk, place

__all__ = [
    "FAMILIES",
    "PLACEMENTS",
    "Family",
    "Layout",
    "Placed",
    "Staged",
    "Trunk",
    "aliases",
    "families",
    "named",
    "place",
    "trunk_from_dict",
    "trunk_to_dict",
]

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        resnet.FAMILY,
        mobilenet_v1.FAMILY,
        mobilenet_v2.FAMILY,
        mobilenet_v3.FAMILY,
        shufflenet_v1.FAMILY,
        shufflenet_v2.FAMILY,
        vgg.FAMILY,
        bn_inception.FAMILY,
        inception_resnet_v2.FAMILY,
        preact_resnet.FAMILY,
        shake_shake.FAMILY,
    )
}


@lru_cache(maxsize=1)
def families() -> dict[str, Family]:
    """Return all families by name; other packages' entry points are loaded on the first call."""
    found = dict(FAMILIES)
    for entry in entry_points(group="se_nas.trunks"):
        try:
            family = entry.load()
        except Exception as error:  # another package's import can raise anything
            raise InputError(
                f"entry point {entry.name!r} of se_nas.trunks cannot be loaded: {error!r}"
            ) from error
        if not isinstance(family, Family):
            raise InputError(f"entry point {entry.name!r} of se_nas.trunks is not a Family")
        if family.name in found:
            raise InputError(f"entry point {entry.name!r}: family {family.name!r} exists already")
        taken = {name for known in found.values() for name in (*known.named, *known.aliases)}
        for name in (*family.named, *family.aliases):
            if name in taken or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise InputError(
                    f"family {family.name!r}: the name {name!r} is taken or not a-z0-9_"
                )
            if name.startswith("se_") or any(SE_TOKEN.match(part) for part in name.split("_")):
                raise InputError(
                    f"family {family.name!r}: the name {name!r} reads as an SE setting"
                )
        found[family.name] = family
    return found


@lru_cache(maxsize=1)
def named() -> dict[str, Trunk]:
    """Return every named trunk, by its name."""
    return {name: trunk for family in families().values() for name, trunk in family.named.items()}


@lru_cache(maxsize=1)
def aliases() -> dict[str, str]:
    """Return public name → the longer one: ``senet154`` → ``se_senet154_trunk_r16``."""
    return {name: long for family in families().values() for name, long in family.aliases.items()}


def trunk_to_dict(trunk: Trunk) -> dict[str, Any]:
    """Return the settings as plain JSON values, with the family's name."""
    return {"family": trunk.family} | {f.name: getattr(trunk, f.name) for f in fields(trunk)}


def trunk_from_dict(settings: dict[str, Any]) -> Trunk:
    """Read a trunk from ``trunk_to_dict``; missing settings take the family's defaults."""
    given = dict(settings)
    name = given.pop("family", None)
    if name not in families():
        raise unknown("family", name, families())
    kind = families()[name].trunk
    allowed = [f.name for f in fields(kind)]
    for field in given:
        if field not in allowed:
            raise unknown(f"setting of the family {name}", field, allowed)
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})
