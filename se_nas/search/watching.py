"""What looks at a search and its cluster beside the live line: metrics, TensorBoard, the nodes."""

from __future__ import annotations

from typing import cast

from ray import tune
from ray.tune.search import ConcurrencyLimiter
from rich.console import Console

from se_nas.search.cluster.connection import living_nodes
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import SearchConfig
from se_nas.search.elastic import FollowNodes
from se_nas.search.metrics import Export, Observed
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.searcher import StudySearcher
from se_nas.search.tensorboard import TensorBoard


def watching(
    run: RunDirectory,
    config: SearchConfig,
    slots: Slots,
    limiter: ConcurrencyLimiter,
    console: Console,
) -> list[tune.Callback]:
    """Callbacks for Tune, as the settings ask for them.

    Args:
        limiter: around the ``StudySearcher``; in a running cluster it follows the living nodes.
    """
    observed = Observed(run.path.name, slots.count)
    found: list[tune.Callback] = [Export(observed, cast(StudySearcher, limiter.searcher))]
    if config.tensorboard:
        found.append(TensorBoard(run.path / "tensorboard"))
    if config.address is not None:

        def changed(count: int, before: int) -> None:
            observed.slots = count
            console.print(
                f"note: nodes came or went; room for {count} trials at once, before {before}",
                soft_wrap=True,
            )

        found.append(FollowNodes(limiter, config, slots, living_nodes, changed))
    return found
