"""Failures of a trial's peers, and their effect on the trial.

| a peer | the trial |
|---|---|
| raised an exception | raises it in process 0: an error, out of memory, a loss that is not finite |
| was killed by Ray because the host ran out of memory | raises MemoryError in process 0 |
| died otherwise | process 0 exits: to Tune a dead worker, so the same trial starts again |
| lost its connection to another process | is as that other process says |
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

import ray
import torch.distributed as dist
from ray import ObjectRef

from se_nas.search.worker.out_of_memory import is_out_of_memory
from se_nas.search.worker.ray_api import wait
from se_nas.search.worker.ray_internals import failed_to_start
from se_nas.texts import first_line

LOOK_EVERY_S = 0.5
# Words of gloo's errors where a process is gone; NCCL's errors have a class of their own.
LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "pair.cc")


class PeerDied(Exception):
    """The death of a peer's process for a reason outside of the trial."""


def is_lost_group(error: BaseException) -> bool:
    """Return whether a collective failed, as it does when another process left: not the cause.

    >>> is_lost_group(RuntimeError("[gloo/transport/tcp/pair.cc:561] Connection closed by peer"))
    True
    >>> is_lost_group(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    False
    """
    if is_out_of_memory(error):
        return False
    if isinstance(error, dist.DistError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in LOST)


def first_failure(tasks: Sequence[ObjectRef[object]], timeout: float) -> Exception | None:
    """Return the error of the first peer that failed by itself; None if none did in time.

    Args:
        tasks: references, one a peer.
        timeout: seconds to wait for tasks that have not ended.

    Returns:
        The peer's own exception, with the traceback that Ray brought along as its cause;
        MemoryError; or PeerDied.
    """
    deadline = time.monotonic() + timeout
    waiting = list(tasks)
    while waiting:
        ended, waiting = wait(waiting, timeout=max(0.0, deadline - time.monotonic()))
        if not ended:
            return None
        for task in ended:
            found = _failure(task)
            if found is not None:
                return found
    return None


@contextlib.contextmanager
def watch_for_failures(
    tasks: Sequence[ObjectRef[object]],
    seen: list[Exception],
    on_failure: Callable[[Exception], None],
) -> Iterator[None]:
    """Watch the peers in a thread: put the ``first_failure`` into ``seen``, call ``on_failure``.

    Without it process 0 waits in a collective for a peer that will not come: with gloo until the
    peer's process is gone, with NCCL until the collective times out.
    """
    over = threading.Event()

    def look() -> None:
        waiting = list(tasks)
        while waiting and not over.is_set():
            ended, waiting = wait(waiting, timeout=LOOK_EVERY_S)
            found = first_failure(ended, 0)
            if found is not None and not over.is_set():
                seen.append(found)
                on_failure(found)
                return

    thread = threading.Thread(target=look, name="peers", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()  # no peer that is ended afterwards may look as if it died


def exit_process(died: Exception) -> NoReturn:
    """End this process: Tune, or Ray for a retraining, starts the same work again, with a limit.

    Ray ends the other peers, since the process that owns them is gone.
    """
    print(f"a process of this trial died, and so all do: {died}", file=sys.stderr, flush=True)
    os._exit(1)


def _failure(task: ObjectRef[object]) -> Exception | None:
    """Return the error of a task that has ended; None without one, or if another process ended."""
    try:
        ray.get(task)
    except ray.exceptions.RayTaskError as error:
        own = error.cause
        if not isinstance(own, Exception):
            return error
        if is_lost_group(own):
            return None
        own.__cause__ = error
        return own
    except ray.exceptions.OutOfMemoryError as error:
        return MemoryError(first_line(error))
    except ray.exceptions.RayError as error:
        if failed_to_start(error):
            return error
        return PeerDied(first_line(error))
    return None
