"""What is tried before the sampler is asked: known networks, or all of a small space."""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain, islice

from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Cost
from se_nas.errors import InputError
from se_nas.search.config import SearchConfig
from se_nas.space import templates
from se_nas.space.space import Space

GRID_LIMIT = 20_000
DRAWS = 2000


def initial_points(space: Space, config: SearchConfig) -> Iterator[Architecture]:
    """The networks of ``--enqueue``, then with the sampler ``grid`` all others in a fixed order.

    Raises:
        InputError: a name cannot be read or is not in the space; the space is too large for a grid.
    """
    known = [parse_in_space(space, name) for name in config.enqueue]
    if config.sampler != "grid":
        return iter(known)
    if space.size > GRID_LIMIT:
        raise InputError(
            f"sampler 'grid': space {space.name!r} has {space.size:,} points, the limit is "
            f"{GRID_LIMIT:,}; use tpe or random, or a smaller space"
        )
    return chain(known, space)


def check_enqueued(
    space: Space, price: Callable[[Architecture], Cost], config: SearchConfig
) -> None:
    """Refuse networks of ``--enqueue`` that could not be tried.

    Raises:
        InputError: a network breaks a constraint of the space.
    """
    for name in config.enqueue:
        cost = asdict(price(parse_in_space(space, name)))
        for constraint in space.constraints:
            if constraint.violation(cost) > 0:
                raise InputError(
                    f"enqueue {name!r} breaks a constraint of space {space.name!r}: {constraint}, "
                    f"it has {cost[constraint.quantity]:,}"
                )


def parse_in_space(space: Space, name: str) -> Architecture:
    """The architecture of a name, which must be one of the space.

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
