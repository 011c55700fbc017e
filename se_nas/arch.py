"""``SE`` and ``Architecture``: the values that name a network.

An architecture is a trunk and one ``SE | None`` for each of its stages. It is the only thing that
travels: to a worker, to the study, into a checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias, get_args

from se_nas import dsl, trunks
from se_nas.errors import InputError, unknown
from se_nas.layers import Chain, Gate, SEBlock, Squeeze, make_divisible
from se_nas.trunks import Trunk

Placement: TypeAlias = Literal["standard", "pre", "post", "identity", "conv3x3"]
Rounding: TypeAlias = Literal["floor", "round8", "mobile8"]
CountedFrom: TypeAlias = Literal["channels", "block_input"]
# A typing error beyond that: no network is so wide.
MAX_REDUCTION = 65536


def squeeze_width(channels: int, reduction: float, rounding: Rounding = "floor") -> int:
    """Width of the hidden FC layer: ``channels / reduction`` by a dialect's rounding, at least 1.

    * ``floor``: the paper, the released SENets and timm's legacy models, C // r;
    * ``round8``: timm's SEModule, to the nearest multiple of 8 and at least 8;
    * ``mobile8``: torchvision's MobileNetV3, C // r to a multiple of 8, never 10 % below.

    >>> squeeze_width(216, 16), squeeze_width(216, 16, "round8"), squeeze_width(72, 4, "mobile8")
    (13, 16, 24)
    """
    if rounding == "round8":
        return max(8, int(channels / reduction + 4) // 8 * 8)
    floor = max(1, math.floor(channels / reduction))
    return make_divisible(floor) if rounding == "mobile8" else floor


def _not_allowed(field: str, value: object, allowed: tuple[object, ...]) -> InputError:
    from se_nas.names import TOKENS  # which knows this module

    of, meant = TOKENS.get(str(value), ("", None))
    if of == field:
        return InputError(
            f"{field} of an SE block is {value!r}, as names have it; the value is {meant!r}"
        )
    return unknown(f"{field} of an SE block", value, allowed)


@dataclass(frozen=True)
class SE:
    """How a stage recalibrates its channels (paper: section 3, eqs. 2–4; ablations: section 6).

    Attributes:
        reduction: the paper's ratio r ≥ 1: channels that the block rescales over squeeze width,
            which is 1 where r is larger than the channels.
        placement: where in the residual block (Fig. 5; section 6.5 for conv3x3).
        squeeze: avg, max, avgmax (the sum of both) or none (NoSqueeze, section 7.1).
        gate: sigmoid, tanh, relu, hard_sigmoid or two_sigmoid (2·sigmoid: 1 at its start).
        bias: whether the two FC layers have biases: the released SENets do, section 6 does not.
        rounding: the dialect of the squeeze width, see ``squeeze_width``.
        counted_from: ``channels`` or ``block_input`` (RegNet and EfficientNet count from there).

    Raises:
        InputError: a field has a value that is not allowed.

    >>> SE(reduction=8).block(256, block_input=64).squeeze_width
    32
    """

    reduction: float = 16
    placement: Placement = "standard"
    squeeze: Squeeze = "avg"
    gate: Gate = "sigmoid"
    bias: bool = True
    rounding: Rounding = "floor"
    counted_from: CountedFrom = "channels"

    def __new__(cls, *args: Any, **settings: Any) -> SE:
        # Before the generated __init__, whose TypeError would not say which fields there are.
        for name in settings:
            if name not in cls.__dataclass_fields__:
                raise unknown("field of an SE block", name, cls.__dataclass_fields__)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, allowed in SE_FIELDS.items():
            for value in dsl.options(getattr(self, name)):
                if value not in allowed or isinstance(value, bool) != (name == "bias"):
                    raise _not_allowed(name, value, allowed)
        for value in dsl.options(self.reduction):
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not 1 <= value <= MAX_REDUCTION:
                raise InputError(
                    f"reduction of an SE block is {value!r}; give a ratio r ≥ 1, "
                    f"at most {MAX_REDUCTION}"
                )
        if isinstance(self.reduction, float) and self.reduction == int(self.reduction):
            object.__setattr__(self, "reduction", int(self.reduction))

    def block(self, channels: int, block_input: int) -> SEBlock:
        """The SE block on ``channels`` in a residual block that takes ``block_input`` channels."""
        counted = channels if self.counted_from == "channels" else block_input
        width = squeeze_width(counted, self.reduction, self.rounding)
        return SEBlock(channels, width, self.squeeze, self.gate, self.bias)


SE_FIELDS: dict[str, tuple[Any, ...]] = {
    "placement": get_args(Placement),
    "squeeze": get_args(Squeeze),
    "gate": get_args(Gate),
    "bias": (True, False),
    "rounding": get_args(Rounding),
    "counted_from": get_args(CountedFrom),
}


@dataclass(frozen=True)
class Architecture:
    """A trunk and one ``SE | None`` for each of its stages.

    ``trunk`` may be given by name, and one ``SE`` (or None) for all stages alike.

    >>> a = Architecture("resnet50", SE(reduction=16))
    >>> str(a), Architecture.parse("se_resnet50_r16") == a
    ('se_resnet50_r16', True)

    Raises:
        InputError: an unknown trunk, a wrong number of stages, or a placement that the trunk lacks.
    """

    trunk: Trunk
    se: tuple[SE | None, ...]

    def __init__(
        self, trunk: Trunk | str, se: SE | tuple[SE | None, ...] | list[SE | None] | None = None
    ) -> None:
        if isinstance(trunk, str):
            if trunk not in trunks.named():
                raise unknown("trunk", trunk, trunks.named())
            trunk = trunks.named()[trunk]
        if dsl.is_template(trunk) or dsl.is_template(se):
            raise InputError("an Architecture holds plain values; put templates into a Space")
        stages = tuple(se) if isinstance(se, (tuple, list)) else (se,) * len(trunk.stages)
        if len(stages) != len(trunk.stages):
            raise InputError(
                f"se has {len(stages)} entries; the trunk has stages {list(trunk.stages)}"
            )
        for number, stage in zip(trunk.stages, stages, strict=True):
            check_placement(trunk, number, stage)
        object.__setattr__(self, "trunk", trunk)
        object.__setattr__(self, "se", stages)

    @classmethod
    def parse(cls, name: str) -> Architecture:
        """The architecture of a name; ``str(architecture)`` is its inverse."""
        from se_nas import names

        return names.parse(name)

    def __str__(self) -> str:
        from se_nas import names

        return names.name(self)

    @property
    def stages(self) -> dict[int, SE | None]:
        """The SE setting by stage number."""
        return dict(zip(self.trunk.stages, self.se, strict=True))

    @property
    def id(self) -> str:
        """Canonical id: equal exactly when two architectures describe the same layers.

        It hashes the network that would be built, not the settings: an absent SE block has no
        fields, and ratios that round to one squeeze width are one.

        >>> a, b = SE(reduction=64), SE(reduction=63)  # C // r is 1, 2, 4, 8 with both
        >>> Architecture("resnet18", a).id == Architecture("resnet18", b).id
        True
        """
        parts = [_digest_ends(self.trunk)]
        parts += [_digest_stage(self.trunk, number, se) for number, se in self.stages.items()]
        return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]

    def network(self, *, num_classes: int = 1000, in_channels: int = 3) -> Network:
        """The layers of the whole network."""
        trunk = self.trunk
        return Network(
            trunk.stem_layers(in_channels),
            tuple(
                (trunk.stage_name(number), stage_layers(trunk, number, se))
                for number, se in self.stages.items()
            ),
            trunk.head_layers(num_classes),
        )

    def to_json(self) -> str:
        """JSON with every setting written out; the name in it is for people."""
        return json.dumps(
            {
                "name": str(self),
                "trunk": trunks.trunk_to_dict(self.trunk),
                "se": [None if se is None else asdict(se) for se in self.se],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """The architecture of ``to_json``."""
        try:
            data = json.loads(text)
            trunk = trunks.trunk_from_dict(dict(data["trunk"]))
            stages = list(data["se"])
            return cls(trunk, tuple(None if se is None else SE(**se) for se in stages))
        except InputError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"not an architecture's JSON ({error!r}): {text[:80]!r}") from None


@dataclass(frozen=True)
class Network:
    """The layers of a network, stage by stage: what is counted, hashed and built."""

    stem: Chain
    stages: tuple[tuple[str, Chain], ...]
    head: Chain


def check_placement(trunk: Trunk, number: int, se: SE | None) -> None:
    """Raise an ``InputError`` if ``se``, or an option of the template, cannot stand there."""
    for placement in dsl.options(se.placement) if se is not None else ():
        if placement not in trunk.placements:
            raise InputError(
                f"placement {placement!r} in stage {number}: the blocks of this {trunk.family} "
                f"have no such place; allowed: {', '.join(trunk.placements)}"
            )


@lru_cache(maxsize=8192)
def stage_layers(trunk: Trunk, number: int, se: SE | None) -> Chain:
    """The blocks of one stage. Cached: a search asks for the same stages again and again."""
    return trunk.stage_layers(number, se)


@lru_cache(maxsize=8192)
def _digest_stage(trunk: Trunk, number: int, se: SE | None) -> str:
    return hashlib.sha256(repr(stage_layers(trunk, number, se)).encode()).hexdigest()


@lru_cache(maxsize=1024)
def _digest_ends(trunk: Trunk) -> str:
    ends = (trunk.stem_layers(3), trunk.head_layers(1000))
    return hashlib.sha256(repr(ends).encode()).hexdigest()
