"""The sampler that learns without one of its parts each: what every lever brings.

As methods of ``search_quality.py``: ``--methods additive without-climbing …``. The number of
candidates is the same in all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from quality_methods import Additive, Method
from quality_tables import Problem

from se_nas.additive import candidates
from se_nas.additive.candidates import CHILDREN, PARENTS, RANDOM, ROUNDS, Candidate
from se_nas.additive.interactions import Shape
from se_nas.search.study import known_trials
from se_nas.search.study.known_trials import KnownTrials

Patch = Callable[[], AbstractContextManager[Any]]
ALL = RANDOM + ROUNDS * PARENTS * CHILDREN  # candidates of a proposal

PATCHES: dict[str, Patch] = {
    "without-mutants": lambda: patch.multiple(candidates, RANDOM=ALL, CHILDREN=0, ROUNDS=1),
    "without-climbing": lambda: patch.multiple(candidates, CHILDREN=ROUNDS * CHILDREN, ROUNDS=1),
    "without-running": lambda: patch.object(KnownTrials, "pending", lambda self: []),
    "without-interactions": lambda: patch.object(known_trials, "learn_shape", lambda *_: Shape()),
}


class Without(Additive):
    """``Additive`` with a patch in place while it proposes and learns."""

    def __init__(self, problem: Problem, seed: int, patched: Patch) -> None:
        self.patched = patched
        super().__init__(problem, seed)

    def ask(self) -> Candidate[Any]:
        with ExitStack() as stack:
            stack.enter_context(self.patched())
            return super().ask()


def _without(patched: Patch) -> Callable[[Problem, int], Method]:
    return lambda problem, seed: Without(problem, seed, patched)


LEVERS: dict[str, Callable[[Problem, int], Method]] = {
    **{name: _without(patched) for name, patched in PATCHES.items()},
    "without-layers": lambda problem, seed: Additive(
        replace(problem, space=None, price=None), seed
    ),
}
