"""Retrainings of two processes each, of which processes die: ``retrained_by_two.py FOLDER``."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from se_nas.search.cluster.ray_environment import configure_ray

if __name__ == "__main__":
    configure_ray(None)

import ray

from se_nas import Architecture
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import DataSettings, SearchConfig
from se_nas.search.finals.retraining import train_on_ray
from se_nas.search.worker.process_group import RankActor, RankActors
from se_nas.search.worker.retrain import RetrainPayload, train_and_test

FOLDER = Path(sys.argv[1] if __name__ == "__main__" else ".")
PEER_DIES, ALWAYS_DIES = 1, 2  # seeds


class DyingPeer(RankActor):
    def epoch(self) -> None:
        super().epoch()
        if self.settings.seed == PEER_DIES and not (FOLDER / "died").exists():
            (FOLDER / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)


def train(architecture: str, settings: Any, data_seed: int, images: Any) -> RetrainPayload:
    with (FOLDER / "began").open("a") as file:
        file.write(f"{settings.seed}\n")
    if settings.seed == ALWAYS_DIES:
        os.kill(os.getpid(), signal.SIGKILL)
    RankActors.actor_type = DyingPeer
    return train_and_test(architecture, settings, data_seed, images)


def main() -> None:
    quiet: Any = {"logging_level": "ERROR", "log_to_driver": False, "include_dashboard": False}
    ray.init("local", num_cpus=2, num_gpus=2, _node_ip_address="127.0.0.1", **quiet)
    small = Architecture.parse("resnet8_small-width8")
    heavy = Architecture.parse("resnet8_small-width400000")
    pairs = [(small, 0), (small, PEER_DIES), (small, ALWAYS_DIES), (heavy, 3)]
    results = train_on_ray(
        pairs,
        lambda *_: None,
        config=SearchConfig(data=DataSettings(limit_train=200), epochs=2),
        slots=Slots(1, cpus=2.0, gpus=2.0),
        images=None,
        on_done=lambda *_: None,
        train=train,
    )
    for result in results:
        print(result.end, bool(result.weights), result.test_acc > 0)
    print(sorted((FOLDER / "began").read_text().split()))
    api: Any = ray
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and api.available_resources().get("GPU", 0) < 2:
        time.sleep(0.5)  # groups are removed a moment later
    print(api.available_resources()["GPU"])


if __name__ == "__main__":
    main()
