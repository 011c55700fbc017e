"""Retrainings of two GPUs each on a cluster that shrinks from two such nodes to one.

``retrained_on_less.py FOLDER``. The run with seed 1 has its node die under it; it prints how each
ends, and then the GPUs that are free.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from se_nas.search.cluster.ray_environment import configure_ray

if __name__ == "__main__":
    configure_ray(None)

import ray
from ray.cluster_utils import Cluster

from se_nas import Architecture
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import SearchConfig
from se_nas.search.finals.retraining import train_on_ray
from se_nas.search.worker.retrain import RetrainPayload, RetrainResult

FOLDER = Path(sys.argv[1] if __name__ == "__main__" else ".")
NODE_DIES = 1  # a seed


def train(architecture: str, settings: Any, data_seed: int, images: Any) -> RetrainPayload:
    if settings.seed == NODE_DIES and not (FOLDER / "node").exists():
        (FOLDER / "part").write_text(ray.get_runtime_context().get_node_id())
        (FOLDER / "part").rename(FOLDER / "node")
        time.sleep(600)
    return RetrainPayload(RetrainResult("complete"))


def main() -> None:
    quiet: Any = {"logging_level": "ERROR", "log_to_driver": False}
    folder = os.environ["RAY_TMPDIR"]
    (Path(folder) / "ray").mkdir()  # where the cluster writes its address down
    node = {
        "object_store_memory": 100 * 2**20,
        "node_ip_address": "127.0.0.1",
        "temp_dir": folder,
    }
    head = {"num_cpus": 0, "include_dashboard": False}
    api: Any = Cluster
    cluster = api(initialize_head=True, head_node_args=node | head)
    nodes = [cluster.add_node(num_cpus=2, num_gpus=2, **node) for _ in range(2)]
    ray.init(cluster.address, **quiet)
    cluster.wait_for_nodes()

    def shrink() -> None:
        while not (FOLDER / "node").exists():
            time.sleep(0.1)
        dying = (FOLDER / "node").read_text()
        cluster.remove_node(next(node for node in nodes if node.node_id == dying), False)

    threading.Thread(target=shrink, daemon=True).start()
    results = train_on_ray(
        [(Architecture.parse("resnet8_small-width8"), seed) for seed in range(5)],
        lambda *_: None,
        config=SearchConfig(),
        slots=Slots(2, cpus=2.0, gpus=2.0),
        images=None,
        on_done=lambda *_: None,
        train=train,
    )
    print(*(result.end for result in results))
    deadline = time.monotonic() + 60
    util: Any = ray
    while time.monotonic() < deadline and util.available_resources().get("GPU", 0) < 2:
        time.sleep(0.5)  # groups are removed a moment later
    free = util.available_resources()["GPU"]
    util.shutdown()
    cluster.shutdown()
    print(free)


if __name__ == "__main__":
    main()
