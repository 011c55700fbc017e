"""Networks to try: near the best ones, and climbed.

A candidate is the decisions that a drawing function asks for (``se_nas.space.templates.Ask``), and
what it returns. Changing decisions and drawing again keeps every condition of the space: what is
no longer met is forgotten, what is new is drawn.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")
Ask: TypeAlias = Callable[[str, tuple[Any, ...]], Any]
Draw: TypeAlias = Callable[[Ask], T]

# Measured with ``benchmarks/search_quality.py --levers``.
CHANGES, ROUNDS, PARENTS, CHILDREN, RANDOM = 3, 3, 5, 20, 50


@dataclass(frozen=True)
class Candidate(Generic[T]):
    """Decisions by path, how many options each had, and what they build."""

    decisions: dict[str, Any]
    options: dict[str, tuple[Any, ...]]
    value: T

    @cached_property
    def key(self) -> frozenset[tuple[str, str]]:
        """Equal for the same decisions; 1, 1.0 and True are three."""
        return frozenset(zip(self.decisions, map(repr, self.decisions.values()), strict=True))


def drawn(draw: Draw[T], choose: Callable[[str, tuple[Any, ...]], Any]) -> Candidate[T]:
    """Draw a candidate whose decisions ``choose`` makes."""
    decisions: dict[str, Any] = {}
    met: dict[str, tuple[Any, ...]] = {}

    def ask(path: str, options: tuple[Any, ...]) -> Any:
        decisions[path] = label = choose(path, options)
        met[path] = options
        return label

    return Candidate(decisions, met, draw(ask))


def at_random(draw: Draw[T], rng: random.Random) -> Candidate[T]:
    """Draw a candidate uniformly at each choice that is met."""
    return drawn(draw, lambda _, options: rng.choice(options))


def repeated(draw: Draw[T], decisions: dict[str, Any]) -> Candidate[T]:
    """Draw the candidate of known decisions; a choice without one takes the first option."""
    return drawn(draw, lambda path, options: decisions.get(path, options[0]))


def mutant(
    draw: Draw[T], parent: Candidate[T], rng: random.Random, changes: int = CHANGES
) -> Candidate[T]:
    """Change one to ``changes`` decisions of a candidate; of the rest, keep what is still met."""
    open_paths = [path for path, options in parent.options.items() if len(options) > 1]
    count = min(rng.randint(1, changes), len(open_paths))
    changed = set(rng.sample(open_paths, count))

    known = parent.decisions

    def choose(path: str, options: tuple[Any, ...]) -> Any:
        if path not in known or known[path] not in options:
            return rng.choice(options)
        if path in changed:
            return rng.choice([option for option in options if option != known[path]])
        return known[path]

    return drawn(draw, choose)


def climbed(
    draw: Draw[T],
    parents: Sequence[Candidate[T]],
    score: Callable[[Sequence[Candidate[T]]], Sequence[float]],
    admits: Callable[[Candidate[T]], bool],
    rng: random.Random,
) -> Iterator[Candidate[T]]:
    """Yield candidates that are admitted, the best first: parents and what comes of them.

    In each round the best have children, and the best of all are the next parents. Whether one is
    admitted, which may cost more than its score, is asked of those that are good enough.
    """
    pool = {parent.key: parent for parent in parents}
    scores = dict(zip(pool, score(list(pool.values())), strict=True))
    admitted: dict[frozenset[tuple[str, str]], bool] = dict.fromkeys(pool, True)

    def best() -> Iterator[Candidate[T]]:
        for key in sorted(pool, key=scores.__getitem__, reverse=True):
            if key not in admitted:
                admitted[key] = admits(pool[key])
            if admitted[key]:
                yield pool[key]

    new = [at_random(draw, rng) for _ in range(RANDOM)]
    for _ in range(ROUNDS):
        ranked = list(islice(best(), PARENTS))
        new += [mutant(draw, parent, rng) for parent in ranked for _ in range(CHILDREN)]
        fresh = {each.key: each for each in new if each.key not in pool}
        pool |= fresh
        scores |= zip(fresh, score(list(fresh.values())), strict=True)
        new = []
    yield from best()
