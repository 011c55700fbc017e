"""Random architectures of a space, drawn without a sampler."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from se_nas.additive.candidates import at_random
from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Price
from se_nas.space.space import Space

RANDOM_DRAWS, TRUNK_DRAWS = 20_000, 300


def random_architectures(space: Space, rng: random.Random, count: int) -> Iterator[Architecture]:
    """Yield random architectures: every one of a small space once, else ``count`` draws."""
    if space.size <= count:
        every = list(space)
        rng.shuffle(every)
        yield from every
    else:
        for _ in range(count):
            yield space.sample(rng)


def draw_unseen(
    space: Space,
    price: Price,
    seen: Callable[[Architecture], bool],
    rng: random.Random,
) -> Architecture | None:
    """Return a feasible architecture that was not seen yet; None if none is left.

    Small spaces are listed, so None is certain there; in large ones the number of draws is bounded.
    """
    for architecture in random_architectures(space, rng, RANDOM_DRAWS):
        if not seen(architecture) and space.admits(price(architecture)):
            return architecture
    return None


def plain_trunks(space: Space) -> list[Architecture]:
    """Return trunks of a space, drawn at random, without SE."""
    rng = random.Random(0)
    drawn = (Architecture(at_random(space.draw, rng).value.trunk) for _ in range(TRUNK_DRAWS))
    return list({architecture.id: architecture for architecture in drawn}.values())
