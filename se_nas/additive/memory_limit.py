"""A limit on sizes, learnt from networks that ran out of memory and others that did not.

Which quantity decides is not known: activations as a rule, parameters and their moments for small
batches. A quantity is suspected while every failure is above every success in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


class MemoryLimit:
    """Sizes that ran out of memory, and the largest that did not.

    >>> limit = MemoryLimit(2)
    >>> limit.fail((5.0, 7.0)), limit.succeed((4.0, 9.0))
    (None, None)
    >>> limit.admits((6.0, 9.0)), limit.admits((4.0, 8.0))  # the second quantity decides nothing
    (False, True)
    """

    def __init__(self, quantities: int) -> None:
        self._failed: list[tuple[float, ...]] = []
        self._least_failed = [math.inf] * quantities
        self._most_succeeded = [-math.inf] * quantities

    def fail(self, sizes: Sequence[float]) -> None:
        """Add a network that ran out of memory."""
        self._failed.append(tuple(sizes))
        self._least_failed = list(map(min, self._least_failed, sizes))

    def succeed(self, sizes: Sequence[float]) -> None:
        """Add a network that was trained."""
        self._most_succeeded = list(map(max, self._most_succeeded, sizes))

    def admits(self, sizes: Sequence[float]) -> bool:
        """Return whether a network may be tried.

        It may not if it is at least as large as one that failed, in all quantities, or in those
        that are suspected as large as the least failure.
        """
        if any(all(map(float.__ge__, map(float, sizes), failed)) for failed in self._failed):
            return False
        suspected = [
            size >= least
            for size, least, most in zip(
                sizes, self._least_failed, self._most_succeeded, strict=True
            )
            if most < least < math.inf
        ]
        return not suspected or not all(suspected)
