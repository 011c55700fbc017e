"""The winner's card: its final trainings as ``se-nas train`` writes them down.

So ``se-nas verify RUN`` trains the winner again, and ``se-nas evaluate RUN`` knows its images.
"""

from __future__ import annotations

import sys

from se_nas.console import shell_word
from se_nas.data import Data
from se_nas.data.content_hash import content_hash
from se_nas.provenance import versions
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import SearchConfig
from se_nas.search.finals.networks import FinalNetwork, best_run
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.tasks.card import Card, Run, hardware
from se_nas.tasks.statistics import summary
from se_nas.tasks.train_config import TrainConfig


def winner_card(
    best: FinalNetwork, data: object, config: SearchConfig, run: RunDirectory, slots: Slots
) -> Card | None:
    """Return the card of a winner; None where ``train`` could not train it again.

    That is where the training or the images are a user's Python, or trainings start from weights.
    """
    own = config.train is not None or config.init is not None or config.data.is_object
    if own or not isinstance(data, Data) or data.is_own or not run.winner.exists():
        return None
    kept = best_run(best)
    trained = TrainConfig(
        str(best.architecture),
        config.data,
        config.recipe,
        config.final_epochs or config.epochs,
        seed=config.seed + 1,
        seeds=len(best.runs),
        split_seed=config.seed,
        threads=_threads(slots),
        out=config.out,
    )
    runs = tuple(
        Run(
            seed,
            done.end,
            done.val_acc if done.end == "complete" else None,
            done.test_acc if done.end == "complete" else None,
            done.more.get("test_loss"),
            list(done.curve),
            run.winner.name if done is kept else None,
        )
        for seed, done in zip(trained.all_seeds, best.runs, strict=True)
    )
    return Card(
        trained,
        best.architecture.to_json(),
        best.cost.params,
        best.cost.macs,
        {"summary": data.summary(), "content": content_hash(data), "skipped": [*data.skipped]},
        runs,
        summary(best.test_accs, len(data.test)),
        versions(),
        _hardware(slots),
        " ".join(map(shell_word, ["python", *sys.argv])),
    )


def _hardware(slots: Slots) -> dict[str, object]:
    """Return what a training had; the driver need not see the workers' GPUs."""
    own = hardware("cpu", _threads(slots), slots.processes)
    return own | ({"device": "cuda"} if slots.gpus else {})


def _threads(slots: Slots) -> int:
    return max(1, int(slots.cpus / slots.processes))
