"""The Tune callbacks of a run: Prometheus metrics, TensorBoard, elastic concurrency."""

from __future__ import annotations

from ray import tune
from ray.tune.search import ConcurrencyLimiter

from se_nas.console import print_line
from se_nas.search.cluster.connection import living_nodes
from se_nas.search.plan import SearchRun
from se_nas.search.tuning.elastic import ElasticConcurrency
from se_nas.search.tuning.prometheus import PrometheusCallback, SearchGauges
from se_nas.search.tuning.searcher import StudySearcher
from se_nas.search.tuning.tensorboard import TensorBoardCallback
from se_nas.texts import printable


def make_callbacks(
    search_run: SearchRun, searcher: StudySearcher, limiter: ConcurrencyLimiter
) -> list[tune.Callback]:
    """Return the callbacks that the settings ask for.

    Args:
        limiter: around ``searcher``; in a running cluster it follows the living nodes.
    """
    run, config, slots = search_run.run, search_run.plan.config, search_run.slots
    gauges = SearchGauges(printable(run.path.name), slots.count)
    found: list[tune.Callback] = [PrometheusCallback(gauges, searcher)]
    if config.tensorboard:
        found.append(TensorBoardCallback(run.path / "tensorboard"))
    if config.address is not None:

        def changed(count: int, before: int) -> None:
            gauges.slots = count
            print_line(
                search_run.console,
                f"note: nodes came or went; room for {count} trials at once, before {before}",
            )

        found.append(ElasticConcurrency(limiter, config, slots, living_nodes, changed))
    return found
