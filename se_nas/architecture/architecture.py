"""``SE`` and ``Architecture``: the values that name a network.

An architecture is a trunk and one ``SE | None`` for each of its stages. It is the only thing that
travels: to a worker, to the study, into a checkpoint.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache

from se_nas import dsl, trunks
from se_nas.architecture import names
from se_nas.documents import read_json
from se_nas.errors import InputError, unknown
from se_nas.layers import Chain
from se_nas.se import SE
from se_nas.texts import written
from se_nas.trunks import Trunk
from se_nas.trunks.base import check_placement
from se_nas.values import among

PLAIN = "an Architecture holds plain values; put templates into a Space"


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
        if not among(getattr(trunk, "family", None), trunks.families()):
            raise InputError(f"trunk is {written(trunk)}; give a trunk or its name")
        if _is_open(trunk) or isinstance(se, (dsl.Choice, dsl.PerStage)):
            raise InputError(PLAIN)
        stages = tuple(se) if isinstance(se, (tuple, list)) else (se,) * len(trunk.stages)
        if len(stages) != len(trunk.stages):
            raise InputError(
                f"se has {len(stages)} entries; the trunk has stages {list(trunk.stages)}"
            )
        for number, stage in zip(trunk.stages, stages, strict=True):
            if isinstance(stage, (dsl.Choice, dsl.PerStage)):
                raise InputError(PLAIN)
            if not (stage is None or isinstance(stage, SE)):
                raise InputError(f"se of stage {number} is {written(stage)}; give SE(...) or None")
            _check_stage(trunk, number, stage)
        object.__setattr__(self, "trunk", trunk)
        object.__setattr__(self, "se", stages)

    @classmethod
    def parse(cls, name: str) -> Architecture:
        """Read an architecture from its name; ``str(architecture)`` is the inverse.

        Raises:
            InputError: the name of a trunk, setting or token is unknown (the message has the
                nearest name), or they do not fit.
        """
        return cls(*names.parse_name(name))

    @classmethod
    def of(cls, name_or_architecture: str | Architecture) -> Architecture:
        """Return the architecture itself, or that of a name."""
        if isinstance(name_or_architecture, Architecture):
            return name_or_architecture
        return cls.parse(name_or_architecture)

    def __str__(self) -> str:
        return names.format_name(self.trunk, self.se)

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
        """Return the layers of the whole network."""
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
        """Write JSON with every setting spelt out; the name in it is for people."""
        return json.dumps(
            {
                "name": str(self),
                "trunk": trunks.trunk_to_dict(self.trunk),
                "se": [None if se is None else asdict(se) for se in self.se],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Read what ``to_json`` wrote.

        Raises:
            InputError: it is not an architecture's JSON, or a setting is not allowed.
        """
        try:
            data = dict(read_json(text))
            for key in data:
                if key not in ("name", "trunk", "se"):
                    raise unknown("key of an architecture's JSON", key, ("name", "trunk", "se"))
            trunk = trunks.trunk_from_dict(dict(data["trunk"]))
            stages = list(data["se"])
            return cls(trunk, tuple(None if se is None else SE(**se) for se in stages))
        except InputError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"not an architecture's JSON ({error!r}): {written(text)[:80]}"
            ) from None


@dataclass(frozen=True)
class Network:
    """The layers of a network, stage by stage: what is counted, hashed and built."""

    stem: Chain
    stages: tuple[tuple[str, Chain], ...]
    head: Chain


@lru_cache(maxsize=1024)
def _is_open(trunk: Trunk) -> bool:
    return dsl.is_template(trunk)


@lru_cache(maxsize=8192)
def _check_stage(trunk: Trunk, number: int, se: SE | None) -> None:
    """Raise an ``InputError`` if the stage cannot have it. Cached as a search asks it so often."""
    if dsl.is_template(se):
        raise InputError(PLAIN)
    check_placement(trunk, number, se)


@lru_cache(maxsize=8192)
def stage_layers(trunk: Trunk, number: int, se: SE | None) -> Chain:
    """Return the blocks of one stage. Cached: a search asks for the same stages over and over."""
    return trunk.stage_layers(number, se)


@lru_cache(maxsize=8192)
def _digest_stage(trunk: Trunk, number: int, se: SE | None) -> str:
    return hashlib.sha256(repr(stage_layers(trunk, number, se)).encode()).hexdigest()


@lru_cache(maxsize=1024)
def _digest_ends(trunk: Trunk) -> str:
    ends = (trunk.stem_layers(3), trunk.head_layers(1000))
    return hashlib.sha256(repr(ends).encode()).hexdigest()
