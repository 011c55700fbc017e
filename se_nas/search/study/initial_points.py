"""Initial points of a search: the networks of ``enqueue``, then a small space's whole grid."""

from __future__ import annotations

import difflib
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import chain, islice

from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Price
from se_nas.errors import InputError
from se_nas.space import templates
from se_nas.space.space import Space

GRID_LIMIT = 20_000
DRAWS = 2000


def parse_enqueued(space: Space, names: Iterable[str]) -> tuple[Architecture, ...]:
    """Return the networks that a user wants to be tried first.

    Raises:
        InputError: a name cannot be read or is not in the space.
    """
    return tuple(parse_in_space(space, name) for name in names)


def initial_points(
    space: Space, sampler: str, enqueued: Sequence[Architecture]
) -> Iterable[Architecture]:
    """Return what is enqueued, then with the sampler ``grid`` all others in a fixed order.

    Raises:
        InputError: the space is too large for a grid.
    """
    if sampler != "grid":
        return enqueued
    if space.size > GRID_LIMIT:
        raise InputError(
            f"sampler 'grid': space {space.name!r} has {space.size:,} points, the limit is "
            f"{GRID_LIMIT:,}; use tpe or random, or a smaller space"
        )
    return chain(enqueued, space)


def check_enqueued(space: Space, price: Price, enqueued: Iterable[Architecture]) -> None:
    """Refuse enqueued networks that could not be tried, by the costs that are known.

    Raises:
        InputError: a network breaks a constraint of the space.
    """
    for architecture in enqueued:
        cost = asdict(price(architecture))
        for constraint in space.constraints:
            if constraint.quantity in cost and constraint.violation(cost) > 0:
                raise InputError(
                    f"enqueue {str(architecture)!r} breaks a constraint of space {space.name!r}: "
                    f"{constraint}, "
                    f"it has {cost[constraint.quantity]:,}"
                )


def parse_in_space(space: Space, name: str) -> Architecture:
    """Return the architecture of a name, which must be one of the space.

    Raises:
        InputError: with what the space does not offer, and the nearest name that it does.
    """
    architecture = Architecture.parse(name)
    if architecture in space:
        return architecture
    if templates.match(space.trunk, architecture.trunk, "trunk") is None:
        trunks = [str(Architecture(t)) for t in islice(templates.trunk_values(space.trunk), DRAWS)]
        near = _nearest(str(Architecture(architecture.trunk)), trunks)
        why = f"its trunk is not among them (nearest: {near})"
    else:
        rng = random.Random(0)
        drawn = [space.sample(rng) for _ in range(DRAWS)] if space.size > DRAWS else list(space)
        same = [str(a) for a in drawn if a.trunk == architecture.trunk]
        near = _nearest(str(architecture), same or [str(a) for a in drawn])
        why = f"its trunk is, but not with this SE (nearest found: {near})"
    raise InputError(f"enqueue {name!r} is no network of space {space.name!r}: {why}")


def _nearest(name: str, names: Sequence[str]) -> str:
    return max(names, key=lambda other: difflib.SequenceMatcher(None, name, other).ratio())
