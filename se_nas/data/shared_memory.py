"""The way of batches from a loader's processes: shared memory, or a pipe where it does not serve.

PyTorch puts each tensor into ``/dev/shm`` and passes an open file by a socket in ``TMPDIR``. A
container has 64 MB there, less than one batch of 128 photos: the batch is dropped and the loader
waits for ever. A batch that goes through the pipe needs neither memory nor files nor sockets; it is
copied twice, which costs some tenths of a second for such a batch.
"""

from __future__ import annotations

import os
import resource
import tempfile
from typing import Any

import numpy as np
import torch

SHM = "/dev/shm"
# Batches that a process prepares ahead (PyTorch's default), and two that are in use.
AHEAD, IN_USE = 2, 2
ENOUGH_FILES = 1024
# Linux has 107 bytes for a socket's path; below TMPDIR it is /pymp-12345678/listener-12345678.
LONGEST_TMPDIR = 107 - 40


def processes_serve() -> bool:
    """Return whether a loader can have processes: their locks are files in ``/dev/shm``."""
    return os.access(SHM, os.W_OK | os.X_OK)


def serves(batch_bytes: int, workers: int) -> bool:
    """Return whether shared memory holds the batches of all loaders of this machine.

    Args:
        batch_bytes: of one batch.
        workers: processes of one loader. There may be one for each CPU, of other trials.
    """
    try:
        free = os.statvfs(SHM)
        folder = os.fsencode(tempfile.gettempdir())
    except OSError:
        return False
    processes = max(workers, len(os.sched_getaffinity(0)))
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (
        free.f_bavail * free.f_frsize >= batch_bytes * (processes * AHEAD + IN_USE)
        and (files == resource.RLIM_INFINITY or files >= ENOUGH_FILES)
        and len(folder) <= LONGEST_TMPDIR
    )


class Piped:
    """A batch that is pickled by value, and is a tuple of tensors when it is unpickled."""

    def __init__(self, batch: Any) -> None:
        self.batch = tuple(batch)

    def __reduce__(self) -> tuple[Any, ...]:
        return _tensors, tuple(each.numpy() for each in self.batch)


def _tensors(*arrays: np.ndarray[Any, Any]) -> tuple[torch.Tensor, ...]:
    return tuple(map(torch.from_numpy, arrays))
