"""The SE block as a value: ``SE``, its words in names, and the width of its squeeze.

Its gates and squeezes are in ``gates.py`` and ``squeezes.py``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from se_nas import dsl
from se_nas.errors import InputError, unknown
from se_nas.gates import GATES
from se_nas.layers import SEBlock, make_divisible
from se_nas.squeezes import SQUEEZES
from se_nas.texts import written
from se_nas.values import as_python, is_number

# Forbidden in a trunk's name: it would read as the SE part of an architecture's name.
SE_TOKEN = re.compile(r"^(s[0-9]+|r[0-9]+(\.[0-9]+)?)$")


Placement: TypeAlias = Literal["standard", "pre", "post", "identity", "conv3x3"]
Rounding: TypeAlias = Literal["floor", "round8", "mobile8"]
CountedFrom: TypeAlias = Literal["channels", "block_input"]
# A larger one is a typing error: no network is so wide.
MAX_REDUCTION = 65536
SE_FIELDS: dict[str, Collection[Any]] = {
    "placement": get_args(Placement),
    "squeeze": SQUEEZES,
    "gate": GATES,
    "bias": (True, False),
    "rounding": get_args(Rounding),
    "counted_from": get_args(CountedFrom),
}


def tokens() -> dict[str, tuple[str, Any]]:
    """Return word → (field, value) for the SE part of a name, in a name's order."""
    squeezes = {entry.token: ("squeeze", name) for name, entry in SQUEEZES.items() if entry.token}
    gates = {entry.token: ("gate", name) for name, entry in GATES.items() if entry.token}
    return {
        "round8": ("rounding", "round8"),
        "mobile8": ("rounding", "mobile8"),
        "in": ("counted_from", "block_input"),
        "pre": ("placement", "pre"),
        "post": ("placement", "post"),
        "identity": ("placement", "identity"),
        "conv3x3": ("placement", "conv3x3"),
        **squeezes,
        **gates,
        "nobias": ("bias", False),
    }


def squeeze_width(channels: int, reduction: float, rounding: Rounding = "floor") -> int:
    """Return the hidden FC layer's width: ``channels / reduction`` in a dialect's rounding, ≥ 1.

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


def _not_allowed(field: str, value: object, allowed: Collection[object]) -> InputError:
    of, meant = tokens().get(value, ("", None)) if isinstance(value, str) else ("", None)
    if of == field:
        return InputError(
            f"{field} of an SE block is {value!r}, as names have it; the value is {meant!r}"
        )
    return unknown(f"{field} of an SE block", value, allowed)


@dataclass(frozen=True)
class SE:
    """The SE setting of a stage (paper: section 3, eqs. 2–4; ablations: section 6).

    Attributes:
        reduction: the paper's ratio r ≥ 1: channels that the block rescales over squeeze width,
            which is 1 where r is larger than the channels.
        placement: where in the residual block (Fig. 5; section 6.5 for conv3x3).
        squeeze: one of ``SQUEEZES``: avg, max, avgmax (the sum of both) or none (NoSqueeze,
            section 7.1).
        gate: one of ``GATES``: sigmoid, tanh, relu, hard_sigmoid or two_sigmoid (2·sigmoid: 1 at
            its start).
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
    squeeze: str = "avg"
    gate: str = "sigmoid"
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
        for name in (*SE_FIELDS, "reduction"):
            object.__setattr__(self, name, as_python(getattr(self, name)))
        for name, allowed in SE_FIELDS.items():
            for value in dsl.options(getattr(self, name)):
                # By the type first: an array of one entry equals it.
                if type(value) is not (bool if name == "bias" else str) or value not in allowed:
                    raise _not_allowed(name, value, allowed)
        for value in dsl.options(self.reduction):
            if not is_number(value) or not 1 <= value <= MAX_REDUCTION:
                raise InputError(
                    f"reduction of an SE block is {written(value)}; give a ratio r ≥ 1, "
                    f"at most {MAX_REDUCTION}"
                )
        if isinstance(self.reduction, float) and self.reduction == int(self.reduction):
            object.__setattr__(self, "reduction", int(self.reduction))

    def block(self, channels: int, block_input: int) -> SEBlock:
        """Return the block on ``channels`` in a residual block with ``block_input`` channels in."""
        counted = channels if self.counted_from == "channels" else block_input
        width = squeeze_width(counted, self.reduction, self.rounding)
        return SEBlock(channels, width, self.squeeze, self.gate, self.bias)
