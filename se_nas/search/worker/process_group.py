"""The other GPUs of a trial: a process for each, in the trial's placement group.

Tune reserves all GPUs of a trial at once, on one node, so no trial waits for a part of its GPUs.
The trial's worker is process 0; the peers live as long as the worker and serve its trials. When one
process fails, all leave the group, and the next trial starts new peers. Not run on GPUs.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, NoReturn, TypeVar

import ray
import torch
import torch.distributed as dist

from se_nas.architecture.architecture import Architecture
from se_nas.data import Data
from se_nas.search.config import TrialSettings
from se_nas.search.worker import ray_api
from se_nas.search.worker.device import device
from se_nas.search.worker.process_failures import (
    PeerDied,
    exit_process,
    first_failure,
    is_lost_group,
    watch_for_failures,
)
from se_nas.search.worker.ray_internals import is_up
from se_nas.search.worker.shared_data import SharedData
from se_nas.search.worker.start_training import training_options
from se_nas.training.data_parallel import DistributedTraining
from se_nas.training.epoch import EpochMetrics
from se_nas.training.evaluation import Metrics

T = TypeVar("T")

# A process waits so long for another in a collective. One that died is noticed within seconds; this
# is for one that hangs. Between two collectives there is a step, the start of a loader's processes
# or a process's share of the validation: NCCL's own default is long enough.
TIMEOUT = timedelta(minutes=10)
# Seconds to wait for a peer's own error: after process 0 lost the peers, and after it failed.
LOST_TIMEOUT_S, FAILED_TIMEOUT_S = 30.0, 2.0


def make_store(size: int, port: int = 0) -> Any:  # torch has no type for it
    """Return the store where a trial's processes meet, on loopback: process 0 passes no port."""
    store = dist.TCPStore  # type: ignore[attr-defined]
    if port:
        return store("127.0.0.1", port, size, is_master=False, timeout=TIMEOUT)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        return store(
            *("127.0.0.1", port, size),
            is_master=True,
            timeout=TIMEOUT,
            wait_for_workers=False,
            master_listen_fd=server.detach(),
        )


def join(store: object, rank: int, size: int, on_cuda: bool) -> None:
    """Enter the group of a trial's processes; they are on one machine."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    enter: Callable[..., None] = partial(dist.init_process_group, timeout=TIMEOUT)
    try:
        enter("nccl" if on_cuda else "gloo", store=store, rank=rank, world_size=size)
    except Exception:
        # Torch names a group by how many it began since one was left, and processes find each
        # other by that name: after this one, process 0 would never find its next peers.
        if not dist.is_initialized():
            with contextlib.suppress(Exception):
                nowhere = dist.HashStore()  # type: ignore[attr-defined]
                enter("gloo", store=nowhere, rank=0, world_size=1)
                dist.destroy_process_group()
        raise


def leave() -> None:
    """Leave the group, whatever hangs in it: only after a failure, or when no trial runs."""
    if dist.is_initialized():
        _abort()
        dist.destroy_process_group()


def _abort() -> None:
    """Abort NCCL's collectives that hang; gloo's fail when the other process is gone."""
    if dist.group.WORLD is not None:
        dist.group.WORLD.abort()


class RankActor:
    """A process beside the trial's worker, which calls its methods in step with its own."""

    def __init__(self, settings: TrialSettings, rank: int, size: int, port: int) -> None:
        self.device = device(settings.on_gpu)
        torch.set_num_threads(settings.threads)
        self.settings, self.group = settings, (rank, size, port)
        self.training: DistributedTraining | None = None

    def join(self) -> None:
        rank, size, port = self.group
        join(make_store(size, port), rank, size, self.device == "cuda")

    def begin(self, architecture: str, data: Data | SharedData, settings: TrialSettings) -> None:
        """Begin to train a network on the data, given as they are or by Ray's object store."""
        self.training = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        images = data if isinstance(data, Data) else data.data()
        assert isinstance(images, Data), "our own training has images"
        self.training = DistributedTraining(
            Architecture.from_json(architecture),
            images,
            settings.recipe,
            **training_options(images, settings, data if isinstance(data, SharedData) else None),
        )

    def load(self, state: dict[str, Any]) -> None:
        assert self.training is not None, "begin comes first"
        self.training.load_state_dict(state)

    def epoch(self) -> None:
        assert self.training is not None, "begin comes first"
        self.training.epoch()

    def test(self) -> None:
        assert self.training is not None, "begin comes first"
        self.training.test()


class RankActors:
    """A worker's peers.

    Args:
        settings: of the worker; ``processes`` counts it too.
    """

    actor_type: type[RankActor] = RankActor

    def __init__(self, settings: TrialSettings) -> None:
        self.settings = settings
        self.actors: list[ray_api.ActorHandle] = []
        # The one reference to the store: once it is gone, no process waits there for another.
        self.server: Any = None

    def open(self) -> None:
        """Start the peers and enter their group; nothing if they are there."""
        if self.actors:
            return
        size = self.settings.processes
        self.server = make_store(size)
        port = self.server.port
        group = ray_api.own_group()
        for rank in range(1, size):
            bundle = group.bundle_specs[rank]
            actor = ray_api.start_actor(
                self.actor_type,
                *(self.settings, rank, size, port),
                num_cpus=bundle.get("CPU", 0),
                num_gpus=bundle.get("GPU", 0),
                scheduling_strategy=ray_api.in_group(group, rank),
            )
            self.actors.append(actor)
        found = first_failure([is_up(actor) for actor in self.actors], TIMEOUT.total_seconds())
        if found is not None:
            self._fail(found)
        on_cuda = device(self.settings.on_gpu) == "cuda"
        store = make_store(size, port)
        self.run_on_all_ranks("join", partial(join, store, 0, size, on_cuda))

    def start_training(
        self,
        architecture: Architecture,
        data: Data,
        settings: TrialSettings,
        shared: SharedData | None,
    ) -> RankZeroTraining:
        """Begin a training in all processes, which are started if they are not there.

        Args:
            shared: the data in Ray's object store, for the peers; None sends them ``data``.
        """
        self.open()
        return self.run_on_all_ranks(
            "begin",
            lambda: RankZeroTraining(self, architecture, data, settings, shared),
            *(architecture.to_json(), data if shared is None else shared, settings),
        )

    def run_on_all_ranks(self, method: str, own: Callable[[], T], *arguments: object) -> T:
        """Have every peer call a method while this process calls ``own``; return its answer.

        If a peer dies this process ends, so that the trial starts again (``process_failures``).

        Raises:
            Exception: a peer's own error, rather than that this process lost the peer.
        """
        tasks = [getattr(actor, method).remote(*arguments) for actor in self.actors]
        seen: list[Exception] = []
        try:
            with watch_for_failures(tasks, seen, self._interrupt):
                answer = own()
                ray.get(tasks)
        except Exception as error:
            leave()  # before the peers are asked: those that wait for this process fail at once
            lost = is_lost_group(error) or isinstance(error, ray.exceptions.RayError)
            timeout = LOST_TIMEOUT_S if lost else FAILED_TIMEOUT_S
            found = seen[0] if seen else first_failure(tasks, timeout)
            if found is not None:
                self._fail(found)
            self.close()
            raise
        return answer

    def close(self) -> None:
        """End the peers, and leave their group."""
        self._kill()
        self.actors = []
        leave()
        self.server = None

    def _kill(self) -> None:
        for actor in self.actors:
            ray_api.kill(actor)

    def _interrupt(self, found: Exception) -> None:
        """End this process's wait for a peer that failed, as it joins or in a collective."""
        if isinstance(found, PeerDied):
            exit_process(found)
        self._kill()
        self.server = None
        _abort()

    def _fail(self, found: Exception) -> NoReturn:
        self.close()
        if isinstance(found, PeerDied):
            exit_process(found)
        raise found


class RankZeroTraining(DistributedTraining):
    """``DistributedTraining`` in process 0; each call is made in its peers too.

    Args:
        ranks: the peers, which begin the same training at the same time.
    """

    def __init__(
        self,
        ranks: RankActors,
        architecture: Architecture,
        data: Data,
        settings: TrialSettings,
        shared: SharedData | None,
    ) -> None:
        options = training_options(data, settings, shared)
        super().__init__(architecture, data, settings.recipe, **options)
        self.ranks = ranks

    def epoch(self) -> EpochMetrics:
        return self.ranks.run_on_all_ranks("epoch", super().epoch)

    def test(self) -> Metrics:
        return self.ranks.run_on_all_ranks("test", super().test)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.ranks.run_on_all_ranks("load", partial(super().load_state_dict, state), state)
