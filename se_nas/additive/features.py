"""Features of a network: the parts whose worths add up.

A stage's SE is split into what holds for SE anywhere and what this stage adds to it: where a
reduction was tried in stage 4 alone, something is believed of it in stage 3. Choices of one stage
are features of its layers: ratios that round to one squeeze width are one, and a name has none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache

from se_nas.additive.model import Feature
from se_nas.architecture.architecture import Architecture, stage_layers
from se_nas.layers import SEBlock
from se_nas.se import SE
from se_nas.trunks import Trunk

USUAL_RATIO = 3.0  # log₂ of the reduction from which others are counted
_KINDS = ("placement", "squeeze", "gate", "bias")
_OF_SE = {"se", "ratio", "reduction", *_KINDS}


def of_parameters(parameters: Mapping[str, object]) -> dict[Feature, float]:
    """Return the features of a trial of any study: each parameter has this value.

    >>> of_parameters({"depth": 3, "act": "relu"})
    {('depth', '3'): 1.0, ('act', "'relu'"): 1.0}
    """
    return {(name, repr(value)): 1.0 for name, value in parameters.items()}


def of_architecture(architecture: Architecture) -> dict[Feature, float]:
    """Return the features of a network.

    >>> found = of_architecture(Architecture("resnet8_small", (None, SE(4), None)))
    >>> sorted(feature for feature in found if feature[0].startswith("se"))
    [('se', ''), ('se by stage', 'resnet stage 3')]
    """
    trunk = architecture.trunk
    found = dict(_of_trunk(trunk))
    for number, se in zip(trunk.stages, architecture.se, strict=True):
        if se is not None:
            alone, shared = _of_stage(trunk, number, se)
            found.update(alone)
            for feature, amount in shared:
                found[feature] = found.get(feature, 0.0) + amount
    return found


@lru_cache(maxsize=4096)
def _of_trunk(trunk: Trunk) -> dict[Feature, float]:
    found: dict[Feature, float] = {("family", trunk.family): 1.0}
    for field in fields(trunk):
        value = getattr(trunk, field.name)
        for i, item in enumerate(value) if isinstance(value, tuple) else [(-1, value)]:
            name = f"{trunk.family} {field.name}" + f" {i}" * (i >= 0)
            found[name, repr(item)] = 1.0
    return found


@lru_cache(maxsize=32768)
def _of_stage(
    trunk: Trunk, number: int, se: SE
) -> tuple[dict[Feature, float], tuple[tuple[Feature, float], ...]]:
    """Return a stage's own features, and those that add up over stages."""
    stage = f"{trunk.family} stage {number}"
    blocks = list(_se_blocks(stage_layers(trunk, number, se)))
    if not blocks:
        return {}, ()
    ratio = sum(math.log2(b.channels / b.squeeze_width) for b in blocks) / len(blocks)
    found: dict[Feature, float] = {("se", ""): 1.0, ("se by stage", stage): 1.0}
    found["ratio", ""] = found["ratio by stage", stage] = ratio - USUAL_RATIO
    reduction = f"{2**ratio:.0f}"
    found["reduction", reduction] = found["reduction by stage", f"{stage} {reduction}"] = 1.0
    for field in _KINDS:
        value = str(getattr(se, field))
        found[field, value] = found[f"{field} by stage", f"{stage} {value}"] = 1.0
    alone = {feature: amount for feature, amount in found.items() if "by stage" in feature[0]}
    return alone, tuple(pair for pair in found.items() if pair[0] not in alone)


def is_of_se(feature: Feature) -> bool:
    """Return whether a network's feature is one of its SE, not of its trunk.

    >>> is_of_se(("reduction by stage", "resnet stage 3 8")), is_of_se(("resnet width", "16"))
    (True, False)
    """
    return feature[0].removesuffix(" by stage") in _OF_SE


def _se_blocks(value: object) -> Iterator[SEBlock]:
    """Yield the SE blocks in a chain of layers, however deep."""
    if isinstance(value, SEBlock):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _se_blocks(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _se_blocks(getattr(value, field.name))
