"""What looks at a search and its cluster beside the live line: metrics, TensorBoard, the nodes."""

from __future__ import annotations

from typing import cast

from ray import tune
from ray.tune.search import ConcurrencyLimiter
from rich.console import Console

from se_nas.search.cluster.connection import living_nodes
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import SearchConfig
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.tuning.elastic import ElasticConcurrency
from se_nas.search.tuning.prometheus import PrometheusCallback, SearchGauges
from se_nas.search.tuning.searcher import StudySearcher
from se_nas.search.tuning.tensorboard import TensorBoardCallback


def make_callbacks(
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
    observed = SearchGauges(run.path.name, slots.count)
    found: list[tune.Callback] = [
        PrometheusCallback(observed, cast(StudySearcher, limiter.searcher))
    ]
    if config.tensorboard:
        found.append(TensorBoardCallback(run.path / "tensorboard"))
    if config.address is not None:

        def changed(count: int, before: int) -> None:
            observed.slots = count
            console.print(
                f"note: nodes came or went; room for {count} trials at once, before {before}",
                soft_wrap=True,
            )

        found.append(ElasticConcurrency(limiter, config, slots, living_nodes, changed))
    return found
