"""The other GPUs of a trial: a process for each, in the trial's placement group.

Tune reserves all GPUs of a trial at once, on one node, so no trial waits for a part of its GPUs.
The trial's worker is process 0; the peers live as long as the worker and serve its trials. When one
process fails, all leave the group, and the next trial starts new peers. Not run on a GPU.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import ray
import torch
import torch.distributed as dist
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from se_nas.arch import Architecture
from se_nas.data import Data
from se_nas.search.parallel import ParallelTraining
from se_nas.search.settings import TrialSettings

TIMEOUT = timedelta(minutes=30)  # a process may wait so long for another's slowest step


def join(rank: int, size: int, port: int, on_cuda: bool) -> None:
    """Enter the group of a trial's processes; they are on one machine."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group(
        "nccl" if on_cuda else "gloo",
        init_method=f"tcp://127.0.0.1:{port}",
        rank=rank,
        world_size=size,
        timeout=TIMEOUT,
    )


class Peer:
    """A process beside the trial's worker: does what it is told, at the same time."""

    def __init__(self, settings: TrialSettings, rank: int, size: int, port: int) -> None:
        self.device = "cuda" if settings.on_gpu and torch.cuda.is_available() else "cpu"
        torch.set_num_threads(settings.threads)
        self.settings, self.group = settings, (rank, size, port)
        self.training: ParallelTraining | None = None

    def join(self) -> None:
        join(*self.group, self.device == "cuda")

    def begin(self, architecture: str, data: Any, workers: int) -> None:
        """A new network on the data, or on what the data are shared by."""
        self.training = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        images: Data = data if isinstance(data, Data) else data.data()
        with left_on_error():
            self.training = ParallelTraining(
                Architecture.from_json(architecture),
                images,
                self.settings.recipe,
                epochs=self.settings.epochs,
                seed=self.settings.seed,
                device=self.device,
                workers=workers,
            )

    def load(self, state: dict[str, Any]) -> None:
        assert self.training is not None, "begin comes first"
        self.training.load_state_dict(state)

    def epoch(self) -> None:
        assert self.training is not None, "begin comes first"
        with left_on_error():
            self.training.epoch()


class Peers:
    """A worker's peers.

    Args:
        settings: of the worker; ``processes`` counts it too.
    """

    def __init__(self, settings: TrialSettings) -> None:
        self.settings = settings
        self.actors: list[Any] = []

    def open(self) -> None:
        """Start the peers and enter their group; nothing if they are there."""
        if self.actors:
            return
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        group: Any = ray.util.get_current_placement_group()
        size = self.settings.processes
        for rank in range(1, size):
            strategy = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=rank)
            bundle = group.bundle_specs[rank]
            remote: Any = ray.remote(
                num_cpus=bundle.get("CPU", 0),
                num_gpus=bundle.get("GPU", 0),
                scheduling_strategy=strategy,
            )(Peer)
            self.actors.append(remote.remote(self.settings, rank, size, port))
        on_cuda = self.settings.on_gpu and torch.cuda.is_available()
        self.together("join", lambda: join(0, size, port, on_cuda))

    def together(self, method: str, own: Callable[[], Any], *arguments: Any) -> Any:
        """Have every peer call a method while this process calls ``own``; its answer.

        Raises:
            Exception: what a peer failed of, rather than that this process lost it.
        """
        waiting = [getattr(actor, method).remote(*arguments) for actor in self.actors]
        try:
            answer = own()
            ray.get(waiting)
        except Exception as error:
            first = _cause(waiting)
            self.close()
            if first is not None:
                raise first from error
            raise
        return answer

    def close(self) -> None:
        """End the peers, and leave their group."""
        for actor in self.actors:
            ray.kill(actor)
        self.actors = []
        if dist.is_initialized():
            dist.destroy_process_group()


class LedTraining(ParallelTraining):
    """``ParallelTraining`` in process 0, which takes its peers along.

    Args:
        peers: started if they are not there.
        shared: what the peers get their data from.
    """

    def __init__(
        self,
        architecture: Architecture,
        data: Data,
        recipe: Any,
        *,
        peers: Peers,
        shared: Any,
        workers: int,
        **options: Any,
    ) -> None:
        peers.open()
        self.peers = peers
        start = super().__init__
        peers.together(
            "begin",
            lambda: start(architecture, data, recipe, workers=workers, **options),
            *(architecture.to_json(), data if shared is None else shared, workers),
        )

    def epoch(self) -> Any:
        return self.peers.together("epoch", super().epoch)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.peers.together("load", lambda: ParallelTraining.load_state_dict(self, state), state)


@contextlib.contextmanager
def left_on_error() -> Iterator[None]:
    """Leave the group on an error, so that nobody waits for this process."""
    try:
        yield
    except Exception:
        dist.destroy_process_group()
        raise


def _cause(waiting: list[Any]) -> Exception | None:
    """The first error among peers that have ended, if one has."""
    ended, _ = ray.wait(waiting, num_returns=len(waiting), timeout=5)
    for task in ended:
        try:
            ray.get(task)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, Exception) and "closed by peer" not in str(cause):
                return cause
        except ray.exceptions.RayError:  # its process died
            continue
    return None
