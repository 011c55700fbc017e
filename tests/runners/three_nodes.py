"""A Ray cluster of three nodes on this machine, told on stdin what to lose and what to gain.

``kill`` kills a node that is not the head, ``add`` adds one, the end of stdin ends all.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ray.cluster_utils import Cluster


def main() -> None:
    folder = os.environ["RAY_TMPDIR"]
    (Path(folder) / "ray").mkdir()  # where the cluster writes its address down
    node = {
        "num_cpus": 1,
        "object_store_memory": 100 * 2**20,
        "node_ip_address": "127.0.0.1",
        "temp_dir": folder,
    }
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    for _ in range(2):
        cluster.add_node(**node)
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line.strip() == "kill":
            cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        elif line.strip() == "add":
            cluster.add_node(**node)
        print("done", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
