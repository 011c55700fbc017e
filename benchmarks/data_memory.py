"""Memory of a worker with the data in it: loaded by each worker, and shared between them.

``python benchmarks/data_memory.py``: digits resized to 256 pixels (118 MB), four workers of a local
Ray, unique set size (memory that only this process holds) before and after a pass over the images.
"""

from __future__ import annotations

from typing import Any

import psutil
from search_common import machine

from se_nas.search.cluster.ray_environment import configure_ray
from se_nas.search.config import DataSettings

SETTINGS = DataSettings("digits", image_size=256)
WORKERS = 4


class Worker:
    """Actor that holds the data as a trial does."""

    def hold(self, images: Any) -> tuple[float, float]:
        """Return the MB that only this process holds: without the data, and with it."""
        from se_nas.search.worker.data import load_data

        load_data(DataSettings("digits"), 0)  # what is imported and built on the way
        before = psutil.Process().memory_full_info().uss
        self.data = load_data(SETTINGS, 0) if images is None else images.data()
        for part in (self.data.train, self.data.val, self.data.test):
            for start in range(0, len(part), 64):
                part.__getitems__(range(start, min(start + 64, len(part))))
        return before / 1e6, psutil.Process().memory_full_info().uss / 1e6


def main() -> None:
    configure_ray(None)
    import ray

    from se_nas.search.worker.data import load_data
    from se_nas.search.worker.shared_data import share

    print(machine())
    api: Any = ray
    api.init(
        address="local",
        include_dashboard=False,
        num_cpus=WORKERS,
        _node_ip_address="127.0.0.1",
        logging_level="ERROR",
    )
    given = api.put(share(load_data(SETTINGS, 0)))
    for label, images in (("loaded by each", None), ("shared", given)):
        workers = [api.remote(num_cpus=1)(Worker).remote() for _ in range(WORKERS)]
        held = api.get([worker.hold.remote(images) for worker in workers])
        more = ", ".join(f"{after - before:.0f}" for before, after in held)
        print(f"{label:>15}: {more} MB more in each of {WORKERS} workers")
        for worker in workers:
            api.kill(worker)
    api.shutdown()


if __name__ == "__main__":
    main()
