"""Elastic concurrency: the number of trials at once follows the living nodes.

Tune retries the trials of a node that died by itself, and starts trials on a new node by itself;
only how many it may start is fixed when a search begins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from ray.tune.search import ConcurrencyLimiter

from se_nas.search.cluster.slots import Slots, slots_on
from se_nas.search.config import SearchConfig
from se_nas.search.tuning.driver_callback import DriverCallback, TuneTrial

LOOK_EVERY_S = 5.0


class ElasticConcurrency(DriverCallback):
    """A callback that moves the limit of trials at once with the cluster's nodes.

    Args:
        nodes: gives the resources of each living node.
        on_change: called with the new and the old number of trials that there is room for.
    """

    def __init__(
        self,
        limiter: ConcurrencyLimiter,
        config: SearchConfig,
        given: Slots,
        nodes: Callable[[], Sequence[Mapping[str, float]]],
        on_change: Callable[[int, int], None],
    ) -> None:
        self.limiter, self.config, self.given = limiter, config, given
        self.nodes, self.on_change = nodes, on_change
        self.count, self.looked = given.count, time.monotonic()

    def on_step_end(self, iteration: int, trials: Sequence[TuneTrial], **_: object) -> None:
        if time.monotonic() - self.looked < LOOK_EVERY_S:
            return
        self.looked = time.monotonic()
        self.follow()

    def follow(self) -> None:
        """Set the limit by the nodes alive now; at least 1, a trial that the next node starts."""
        count = slots_on(self.config, self.given, self.nodes())
        if count != self.count:
            self.on_change(count, self.count)
            self.count = count
            self.limiter.max_concurrent = max(1, count)
