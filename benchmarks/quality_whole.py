"""SE-Bench as a problem whose trials are all trained to their end, with noise as of its seeds.

Its truth is in validation, the mean over the table's seeds: what effects and sampler are told.
"""

from __future__ import annotations

import statistics
from typing import Any

from quality_tables import Problem

from se_nas import Architecture
from se_nas.bench import load
from se_nas.bench.space import SPACE
from se_nas.cost.network_cost import Cost, cost


def se_bench() -> Problem:
    """Make the problem of the packaged table."""
    bench = load()
    values = {n.architecture.id: 100 * n.val_acc for n in bench}
    seconds = {n.architecture.id: n.seconds for n in bench}
    variances = [statistics.variance(t.val_acc[-1] for t in n.trainings) for n in bench]

    def price(architecture: Architecture) -> Cost:
        return cost(architecture, input_size=10, in_channels=1, num_classes=10)

    def truth(architecture: Any) -> float:
        return values[architecture.id]

    return Problem(
        "se_bench_whole",
        SPACE.draw,
        truth,
        100 * statistics.fmean(variances) ** 0.5,
        lambda architecture: seconds[architecture.id],
        lambda _: True,
        max(values.values()),
        space=SPACE,
        price=price,
        note=f"{len(bench)} networks",
    )


def in_table(problem: Problem, architecture: Any) -> bool:
    """Return whether the table has a network: changes of its networks may lead out of it."""
    try:
        problem.truth(architecture)
    except KeyError:
        return False
    return True
