"""Choice of the networks to time: some that have every block of a space, and held-out ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from se_nas.architecture.architecture import Architecture
from se_nas.latency.blocks import blocks, stage_blocks, stage_shapes
from se_nas.latency.settings import Signature
from se_nas.se import SE
from se_nas.space import templates
from se_nas.space.space import Space
from se_nas.trunks import Trunk

# SE options of one stage; where there are more, so many are drawn at random instead of listed.
OPTIONS = 2000
DRAWS = 1000
AGAIN = 6  # other options for each time that the first is there again

T = TypeVar("T")


def cover(space: Space, signature: Signature, limit: int, seed: int = 0) -> list[Architecture]:
    """Return networks that have every block of the space between them, ``limit`` at most.

    The n-th network of a trunk has the n-th SE option in every stage, so that a trunk needs little
    more networks than one stage has distinct options. They need not keep the space's constraints.
    A limit takes the networks in turn from all trunks, the first option (usually no SE) first.
    """
    rng = random.Random(seed)
    trunks = _trunks(space, limit, rng)
    rounds = [list(_networks(space, trunk, signature, rng)) for trunk in trunks]
    found: list[Architecture] = []
    seen: set[str] = set()
    for i in range(max(map(len, rounds), default=0)):
        for networks in rounds:
            if i < len(networks):
                keys = {block.key for block in blocks(networks[i], signature)}
                if not keys <= seen:
                    found.append(networks[i])
                    seen |= keys
            if len(found) == limit:
                return found
    return found


def draw_held_out(
    space: Space,
    count: int,
    exclude: Sequence[Architecture],
    keep: Callable[[Architecture], bool] = lambda _: True,
    seed: int = 0,
) -> list[Architecture]:
    """Draw random architectures to compare the table with, none of which it is made from.

    Args:
        exclude: the networks that the table is made from.
        keep: which are preferred, such as those within the constraints on parameters; others
            stand in where there are too few.
    """
    rng = random.Random(seed + 1)
    used = {architecture.id for architecture in exclude}
    drawn = {a.id: a for a in (space.sample(rng) for _ in range(DRAWS))}
    fresh = [a for a in drawn.values() if a.id not in used]
    return sorted(fresh, key=lambda a: not keep(a))[:count]


def _networks(
    space: Space, trunk: Trunk, signature: Signature, rng: random.Random
) -> Iterator[Architecture]:
    """Yield networks of one trunk: the n-th has the n-th distinct option of every stage."""
    columns: list[list[SE | None]] = []
    shapes = stage_shapes(trunk, signature)
    for number, shape in zip(trunk.stages, shapes, strict=True):
        options: dict[tuple[str, ...], SE | None] = {}
        for se in _stage_options(space, number, rng):
            found, _ = stage_blocks(trunk, number, se, shape)
            options.setdefault(tuple(block.key for block in found), se)
        first, *rest = options.values()
        # The first, no SE, is what random networks have most: it is timed among others too, so that
        # no single network's time is in all predictions.
        rest += [first] * (len(rest) // AGAIN)
        rng.shuffle(rest)  # a limit then leaves out options at random
        columns.append([first, *rest])
    for i in range(max(map(len, columns))):
        yield Architecture(trunk, [column[i % len(column)] for column in columns])


def _stage_options(space: Space, number: int, rng: random.Random) -> Iterator[SE | None]:
    draw = templates.drawing_se(space.se, (number,), "se")
    return _every(lambda ask: draw(ask)[0], templates.size_se(space.se, (number,)), OPTIONS, rng)


def _trunks(space: Space, limit: int, rng: random.Random) -> list[Trunk]:
    draw = templates.drawing(space.trunk, "trunk")
    return list(dict.fromkeys(_every(draw, templates.size(space.trunk), limit, rng)))


def _every(
    draw: Callable[[templates.Ask], T], size: int, limit: int, rng: random.Random
) -> Iterator[T]:
    """Yield all results of a drawing, or ``limit`` random ones where there are more."""
    if size <= limit:
        return templates.every(draw)
    return (draw(lambda _, options: rng.choice(options)) for _ in range(limit))
