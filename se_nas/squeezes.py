"""The squeeze operators of an SE block: one entry of ``SQUEEZES`` for each.

Names, JSON, costs, ids and modules follow from the entry.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Squeeze:
    """How a map becomes one value for each channel.

    Attributes:
        function: dotted path of a function (N, C, H, W) → (N, C); empty for NoSqueeze alone.
        token: what names say of it; empty for the default.
        held: elements that it holds at its peak for each channel.
    """

    function: str
    token: str
    held: int = 1


SQUEEZES: dict[str, Squeeze] = {
    "avg": Squeeze("se_nas.nn.squeeze_excitation.mean", token="", held=2),
    "max": Squeeze("se_nas.nn.squeeze_excitation.largest", token="max"),
    "avgmax": Squeeze("se_nas.nn.squeeze_excitation.mean_and_largest", token="avgmax", held=3),
    "none": Squeeze("", token="nosqueeze", held=0),
}
