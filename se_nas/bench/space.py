"""The space of SE-Bench: where SE is, how far it squeezes, and what kind it is, beside the width.

All stages share placement, squeeze and gate; each has SE or not, at one of two reductions. Without
any SE the kinds are one network: 567 points are 549 networks. One of the eight kinds is left out,
for the table to cost at most 12 core-hours.
"""

from __future__ import annotations

from se_nas.dsl import choice, optional, per_stage
from se_nas.se import SE, Placement
from se_nas.space.space import Space, trunk

WIDTHS, REDUCTIONS = (8, 12, 16), (2, 8)
KINDS: tuple[tuple[Placement, str, str], ...] = (
    ("standard", "avg", "sigmoid"),
    ("standard", "avg", "two_sigmoid"),
    ("standard", "max", "sigmoid"),
    ("standard", "max", "two_sigmoid"),
    ("pre", "avg", "sigmoid"),
    ("pre", "avg", "two_sigmoid"),
    ("pre", "max", "sigmoid"),
)

SPACE = Space(
    "se_bench",
    trunk=trunk("resnet8_small", width=choice(*WIDTHS)),
    se=choice(
        *(
            per_stage(optional(SE(choice(*REDUCTIONS), placement, squeeze, gate)))
            for placement, squeeze, gate in KINDS
        )
    ),
)
