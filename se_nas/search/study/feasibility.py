"""Feasibility of a space: the share that its constraints let through, and why it is small."""

from __future__ import annotations

import random
from dataclasses import asdict
from typing import Any

from se_nas.cost.network_cost import Price
from se_nas.data import ImageShape
from se_nas.errors import InputError
from se_nas.search.study.random_draws import RANDOM_DRAWS
from se_nas.space.space import Space

# Below it most of a search's proposals are rejected, and the user should know why.
LITTLE = 0.02


def feasible_share(space: Space, price: Price, *, draws: int = 2000, seed: int = 0) -> float:
    """Return the share of random architectures that the constraints let through, in [0, 1]."""
    rng = random.Random(seed)
    return sum(space.admits(price(space.sample(rng))) for _ in range(draws)) / draws


def explain_infeasible(space: Space, price: Price, *, draws: int = 2000, seed: int = 0) -> str:
    """Return the constraints that nothing passes, each with the nearest value seen."""
    rng = random.Random(seed)
    costs: list[dict[str, Any]] = [asdict(price(space.sample(rng))) for _ in range(draws)]
    parts: list[str] = []
    for constraint in space.constraints:
        if constraint.quantity not in costs[0]:
            continue
        seen = [cost[constraint.quantity] for cost in costs]
        best = min(seen) if constraint.operator == "<=" else max(seen)
        parts.append(f"{constraint} (nearest of {draws} draws: {best:,})")
    return "; ".join(parts)


def check_feasible(space: Space, price: Price, images: ImageShape, seed: int) -> float:
    """Return the share of random architectures that pass the constraints.

    Small spaces are listed; in a large one a share below 1 in 20,000 draws counts as none.

    Raises:
        InputError: none passes.
    """
    share = feasible_share(space, price, seed=seed)
    if share == 0:
        share = feasible_share(space, price, draws=RANDOM_DRAWS, seed=seed)
    if share == 0:
        raise InputError(
            f"space {space.name!r}: no architecture keeps the constraints: "
            f"{explain_infeasible(space, price, seed=seed)}; counted at {images.image_size} px, "
            "see `image_size`"
        )
    return share


def feasibility(space: Space, price: Price, share: float, seed: int = 0) -> list[str]:
    """Return the lines on a search's constraints: the share, and advice if it is small."""
    if not space.constraints:
        return []
    lines = [f"feasible   {_percent(share)} of random draws keep the constraints"]
    if share < LITTLE:
        rng = random.Random(seed)
        costs = [asdict(price(space.sample(rng))) for _ in range(2000)]
        alone = [
            f"{c} alone {_percent(sum(c.violation(cost) <= 0 for cost in costs) / len(costs))}"
            for c in space.constraints
            if c.quantity in costs[0]
        ]
        lines.append(
            f"note       nearly nothing passes ({'; '.join(alone)}): most proposals are rejected "
            "before they train, and the rest is drawn at random; widen a limit or offer smaller "
            "networks"
        )
    return lines


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 or share == 0 else "under 0.1 %"
