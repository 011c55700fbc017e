"""Result files of a run: results.json, winner.json, winner.safetensors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

from se_nas.architecture.architecture import Architecture
from se_nas.data import ImageShape
from se_nas.files import replace_atomically
from se_nas.search.config import SearchConfig
from se_nas.search.finals import networks
from se_nas.search.finals.verdict import Believed, verdict
from se_nas.search.results.effects import Answer
from se_nas.search.run_dir.directory import FAILED, RESULTS, WINNER, RunDirectory
from se_nas.search.study.proposals import Proposals
from se_nas.space.objectives import Objective

Searched: TypeAlias = dict[str, Any]
# Keys that only a complete run has; a driver that joined writes JOINED instead.
ENDING = ("winner", "verdict", "finals")
JOINED = "joined"


def of_search(
    ranked: Sequence[tuple[Architecture, list[float]]],
    proposals: Proposals,
    config: SearchConfig,
    found: Answer | None = None,
) -> Searched:
    """Return the results of the search itself, before anything is retrained.

    Args:
        found: what its trials tell about the choices of the space.
    """
    return {
        "objectives": [str(objective) for objective in proposals.space.objectives],
        "ranking": [{"name": str(a), "values": values} for a, values in ranked],
        "proposals": asdict(proposals.counts),
        "seed": config.seed,
    } | ({} if found is None else found.to_dict())


def of_run(
    rows: Sequence[networks.FinalNetwork],
    objective: Objective,
    searched: Searched,
    believed: Believed | None = None,
) -> Searched:
    """Return the results of a complete run: ``of_search`` and the final networks."""
    ending = (
        str(networks.winner(rows, objective).architecture),
        verdict(rows, objective, believed),
        [row.to_dict() for row in rows],
    )
    return dict(zip(ENDING, ending, strict=True)) | searched


def keep_winner(best: networks.FinalNetwork, images: ImageShape, run: RunDirectory) -> None:
    """Write the winner's weights, its architecture and the preprocessing of its images.

    A user's own training may have given no weights: then there is no file of them.
    """
    weights = networks.best_weights(best)
    if weights:
        replace_atomically(run.winner, weights)
    else:
        run.winner.unlink(missing_ok=True)
    described = json.loads(best.architecture.to_json())
    run.write(WINNER, described | {"preprocessing": images.preprocessing.to_dict()})


def clear_ending(run: RunDirectory) -> None:
    """Take out of a run's results that it ended: the run goes on."""
    if run.complete or run.failed:
        done = run.read(RESULTS)
        run.write(RESULTS, {k: v for k, v in done.items() if k not in (*ENDING, JOINED, FAILED)})
