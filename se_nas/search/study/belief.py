"""The networks of a search that are believed best: by all trials, not by one noisy value each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import optuna

from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Price
from se_nas.search.study.known_trials import KnownTrials
from se_nas.space.space import Space

Ranked = Sequence[tuple[Architecture, list[float]]]


def by_belief(study: optuna.Study, space: Space, price: Price, ranked: Ranked) -> Ranked:
    """Return networks in the order of what the model of all trials expects of them, best first.

    The best of many noisy values is one of luck; what a network has in common with others tells
    more. A front of several objectives stays in its order.

    Args:
        ranked: the networks and their values, as ``ranking`` has them.
    """
    if len(space.objectives) > 1:
        return ranked
    known = KnownTrials(space, price, None)
    known.update(study)
    if not known.networks:
        return ranked
    surrogate = known.surrogates(running=False)[0]
    means = surrogate.means(known.rows(surrogate.posterior))
    expected = {known.key(n): float(m) for n, m in zip(known.networks, means, strict=True)}
    return sorted(ranked, key=lambda pair: -expected.get(pair[0].id, -math.inf))
