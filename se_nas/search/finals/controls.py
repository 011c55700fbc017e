"""Controls of the finals: what the winner has to be better than.

no SE          its trunk without SE
SE r16         its trunk with SE everywhere at r = 16
plain trunk    the largest trunk of the space, without SE, that costs no more than the winner
early best     the best of the search's first networks: what a few random trials would have found
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Cost, Price
from se_nas.latency.table import TimedCost
from se_nas.se import SE
from se_nas.search.finals.networks import EARLY, NO_SE, PLAIN, SE_R16
from se_nas.search.study.records import Record
from se_nas.space.objectives import Objective

FIRST = 10  # networks: samplers begin at random


def control_architectures(
    winner: Architecture,
    trunks: Sequence[Architecture] = (),
    price: Price | None = None,
    early: Architecture | None = None,
) -> list[tuple[str, Architecture]]:
    """Return the controls of a winner.

    Args:
        trunks: of the space, without SE, whose costs ``price`` tells.
        early: the best of the first networks.
    """
    plain = Architecture(winner.trunk)
    controls = [(NO_SE, plain)]
    if "standard" in winner.trunk.placements:
        controls.append((SE_R16, Architecture(winner.trunk, SE(16))))
    if price is not None:
        # Larger than the winner's own trunk: else that is the better control.
        room = [
            (size(price(trunk)), trunk)
            for trunk in trunks
            if size(price(plain)) < size(price(trunk)) <= size(price(winner))
        ]
        controls += [(PLAIN, max(room, key=lambda pair: pair[0])[1])] if room else []
    if early is not None:
        controls.append((EARLY, early))
    return controls


def early_best(trials: Iterable[Record], objective: Objective) -> Architecture | None:
    """Return the best of the networks that a search trained first; None if it trained no more."""
    trained = [record for record in trials if record.state == "ended" and record.outcome]
    complete = [
        record
        for record in trained[:FIRST]
        if record.outcome is not None
        and record.outcome.end == "complete"
        and objective.metric in record.outcome.metrics
    ]
    if len(trained) <= FIRST or not complete:
        return None
    sign = 1 if objective.direction == "maximize" else -1

    def value(record: Record) -> float:
        assert record.outcome is not None
        return sign * record.outcome.metrics[objective.metric]

    return Architecture.from_json(max(complete, key=value).architecture)


def size(cost: Cost) -> float:
    """Return what a network costs: latency where the search knows it, else MACs."""
    return cost.latency_ms if isinstance(cost, TimedCost) else float(cost.macs)
