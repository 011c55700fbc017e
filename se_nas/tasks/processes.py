"""The processes of one training, as ``torchrun`` starts them: one for each GPU.

``torchrun`` says in the environment how many there are and which one this is; without it there is
one. All train in step; the first alone writes and prints.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist

from se_nas.errors import InputError

T = TypeVar("T")


def count() -> int:
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    """Return whether this is the process that writes and prints."""
    return _size() < 2 or os.environ.get("RANK", "0") == "0"


def started_by() -> list[str]:
    """Return the words before the script's own on the command line."""
    return ["python"] if count() < 2 else ["torchrun", "--nproc-per-node", str(count())]


def of_first(value: T) -> T:
    """Return the first process's value in all of them; all have to ask."""
    if not dist.is_initialized():
        return value
    held = [value]
    dist.broadcast_object_list(held, src=0)
    return held[0]


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Join the other processes of ``torchrun``, if it started this one, and leave them at the end.

    Args:
        device: ``cuda``, ``cpu`` or ``auto``, as of the settings.

    Raises:
        InputError: there are more processes on this machine than GPUs.
    """
    if _size() < 2 or dist.is_initialized():
        yield
        return
    on_cuda = device != "cpu" and torch.cuda.is_available()
    if on_cuda:
        local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= gpus:
            raise InputError(
                f"torchrun started {os.environ['LOCAL_WORLD_SIZE']} processes on a machine with "
                f"{gpus} GPU{'s' * (gpus != 1)}; give --nproc-per-node {gpus}"
            )
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if on_cuda else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def _size() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))
