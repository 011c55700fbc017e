"""What ran out of memory says of what is larger, in the quantities that may have decided."""

from __future__ import annotations

import random

import pytest

from se_nas.additive.memory_limit import MemoryLimit


def test_before_a_failure_everything_is_admitted() -> None:
    limit = MemoryLimit(2)
    limit.succeed((1.0, 1.0))
    assert limit.admits((1e12, 1e12))


def test_what_is_larger_in_every_respect_is_not_admitted() -> None:
    limit = MemoryLimit(2)
    limit.succeed((9.0, 9.0))  # above the failure in both: neither alone decides
    limit.fail((5.0, 5.0))
    assert not limit.admits((5.0, 5.0))
    assert not limit.admits((6.0, 9.0))
    assert limit.admits((4.0, 20.0))


@pytest.mark.parametrize("deciding", [0, 1, 2])
def test_the_quantity_that_decides_is_found(deciding: int) -> None:
    limit, rng = MemoryLimit(3), random.Random(deciding)
    wrong = {"admitted": 0, "refused": 0}
    for trial in range(200):
        sizes = tuple(rng.random() for _ in range(3))
        fails = sizes[deciding] > 0.8
        if trial >= 60:
            wrong["admitted"] += fails and limit.admits(sizes)
            wrong["refused"] += not fails and not limit.admits(sizes)
        (limit.fail if fails else limit.succeed)(sizes)
    assert wrong["admitted"] <= 5, (
        "of 27 or so: those between the largest success and the least failure"
    )
    assert wrong["refused"] == 0
