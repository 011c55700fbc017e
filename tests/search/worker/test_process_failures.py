"""What the end of a peer makes of its trial, with references that stand for Ray's."""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import ray
import torch
import torch.distributed as dist
from ray.exceptions import ActorDiedError, NodeDiedError, OutOfMemoryError, RayTaskError

from se_nas.search.config import DataSettings, TrialSettings
from se_nas.search.worker import process_failures
from se_nas.search.worker.process_failures import (
    PeerDied,
    first_failure,
    is_lost_group,
    watch_for_failures,
)
from se_nas.search.worker.process_group import RankActors, join, make_store
from se_nas.training.epoch import NonFiniteLoss
from se_nas.training.recipes import RECIPES

IS_INITIALIZED, DESTROY = dist.is_initialized, dist.destroy_process_group
LOST = RuntimeError("[pair.cc:561] Connection closed by peer [127.0.0.1]:40064")


def raised(error: Exception) -> RayTaskError:
    return RayTaskError("epoch", "ray::Peer.epoch()\n  its own line", error)  # type: ignore[no-untyped-call]


@dataclass(eq=False)
class Task:
    """A reference: what it ends with, once it has ended."""

    error: Exception | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def end(self, error: Exception | None = None) -> None:
        self.error = error
        self.ended.set()


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(tasks: list[Task], *, timeout: float, num_returns: int = 1) -> Any:
        deadline = time.monotonic() + timeout
        while True:
            ended = [task for task in tasks if task.ended.is_set()][:1]
            if ended or time.monotonic() >= deadline:
                return ended, [task for task in tasks if task not in ended]
            time.sleep(0.001)

    def get(tasks: Any) -> None:
        for task in tasks if isinstance(tasks, list) else [tasks]:
            task.ended.wait(20)
            if task.error is not None:
                raise task.error

    def exit_now(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(ray, "wait", wait)
    monkeypatch.setattr(ray, "get", get)
    monkeypatch.setattr(ray, "kill", lambda actor: actor.task.end(ActorDiedError()))  # type: ignore[no-untyped-call]
    monkeypatch.setattr(process_failures.os, "_exit", exit_now)
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "destroy_process_group", lambda: None)


def ended(error: Exception | None) -> Task:
    task = Task()
    task.end(error)
    return task


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (raised(ValueError("a bug")), ValueError, "a bug"),
        (raised(NonFiniteLoss(2)), NonFiniteLoss, "not finite in epoch 2"),
        (raised(torch.cuda.OutOfMemoryError("CUDA out of memory")), RuntimeError, "out of memory"),
        (OutOfMemoryError("1 worker(s) were killed\nand more"), MemoryError, "were killed"),
        (ActorDiedError(), PeerDied, "died unexpectedly"),  # type: ignore[no-untyped-call]
        (NodeDiedError("node is gone"), PeerDied, "node is gone"),
        (ActorDiedError(raised(ImportError("no x"))), ActorDiedError, "creation task"),  # type: ignore[no-untyped-call]
        (raised(LOST), type(None), "None"),
        (raised(dist.DistBackendError("NCCL error: remote process exited")), type(None), "None"),
        (None, type(None), "None"),
    ],
)
def test_what_the_end_of_a_peer_means(error: Exception | None, kind: type, text: str) -> None:
    found = first_failure([ended(error)], 0)
    assert isinstance(found, kind)
    assert text in str(found)
    assert "\n" not in str(found) or isinstance(found, ActorDiedError)


def test_the_traceback_of_the_peer_comes_along() -> None:
    found = first_failure([ended(raised(ValueError("a bug")))], 0)
    assert found is not None
    assert "its own line" in "".join(traceback.format_exception(found))


def test_a_peer_that_lost_another_is_not_the_cause() -> None:
    tasks = [ended(raised(LOST)), ended(None), ended(raised(ValueError("a bug")))]
    assert isinstance(first_failure(tasks, 0), ValueError)
    assert first_failure([Task(), ended(raised(LOST))], 0.01) is None


def test_no_memory_in_a_collective_is_no_lost_group() -> None:
    assert is_lost_group(dist.DistBackendError("NCCL error: unhandled"))
    assert not is_lost_group(dist.DistBackendError("NCCL error: CUDA out of memory"))


def test_a_failure_is_noticed_while_process_0_is_busy_and_only_then() -> None:
    fine, failing, late = Task(), Task(), Task()
    seen: list[Exception] = []
    noticed = threading.Event()
    with watch_for_failures([fine, failing], seen, lambda found: noticed.set()):
        fine.end()
        failing.end(raised(ValueError("a bug")))
        assert noticed.wait(20)
    assert [str(error) for error in seen] == ["a bug"]
    with watch_for_failures([late], seen, lambda found: pytest.fail("the block was over")):
        pass
    late.end(ActorDiedError())  # type: ignore[no-untyped-call]
    assert len(seen) == 1


def peers_of(*tasks: Task) -> RankActors:
    found = RankActors(TrialSettings(DataSettings(), RECIPES["search"], epochs=1, processes=2))
    for task in tasks:
        call = SimpleNamespace(remote=lambda *_, task=task: task)
        found.actors.append(SimpleNamespace(epoch=call, task=task))
    return found


def lost() -> None:
    raise LOST


def test_a_trial_raises_what_its_peer_did_and_ends_the_other_peers() -> None:
    other = Task()
    peers = peers_of(ended(raised(MemoryError("here"))), other)
    with pytest.raises(MemoryError, match="here"):
        peers.run_on_all_ranks("epoch", lost)
    assert other.ended.is_set()
    assert not peers.actors


def test_process_0_that_hangs_without_a_peer_is_freed() -> None:
    failing, waiting = Task(), Task()
    peers = peers_of(failing, waiting)

    def hangs() -> None:  # as gloo does until the other process is gone
        failing.end(raised(ValueError("a bug")))
        assert waiting.ended.wait(20)
        lost()

    with pytest.raises(ValueError, match="a bug"):
        peers.run_on_all_ranks("epoch", hangs)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_trial_whose_peer_died_ends_its_process() -> None:
    with pytest.raises(SystemExit):
        peers_of(ended(ActorDiedError())).run_on_all_ranks("epoch", lost)  # type: ignore[no-untyped-call]


@pytest.mark.timeout(60)
def test_a_peer_that_fails_before_it_enters_the_group_leaves_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dist, "is_initialized", IS_INITIALIZED)
    monkeypatch.setattr(dist, "destroy_process_group", DESTROY)
    failing = Task()
    peers = peers_of(failing)
    peers.server = make_store(2)
    own = make_store(2, peers.server.port)

    def enters() -> None:
        threading.Timer(0.5, failing.end, [raised(ValueError("no such device"))]).start()
        join(own, 0, 2, False)

    with pytest.raises(ValueError, match="no such device"):
        peers.run_on_all_ranks("epoch", enters)
    assert peers.server is None
    # The next peers, in processes of their own, begin to count groups at 0.
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    name = dist.group.WORLD.group_name  # type: ignore[union-attr]
    dist.destroy_process_group()
    assert name == "0"


def test_an_error_of_process_0_is_its_own() -> None:
    def fails() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        peers_of(ended(raised(LOST))).run_on_all_ranks("epoch", fails)
    assert peers_of(ended(None)).run_on_all_ranks("epoch", lambda: 7) == 7
