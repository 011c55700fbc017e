"""A run's lock: one driver at a time; the system releases it even if its holder is killed."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from datetime import datetime, timezone

from se_nas.errors import InputError
from se_nas.search.run_dir.directory import RunDirectory

LOOKS, LOOK_S = 20, 0.05


@contextlib.contextmanager
def run_lock(run: RunDirectory) -> Iterator[None]:
    """Be the one driver of a run for as long as the block lasts.

    The lock is ``flock``'s: it goes with the process, after SIGKILL too. Linux passes it on to NFS
    servers, so it holds between machines.

    Raises:
        InputError: another driver has it, or the file system has no locks.
    """
    try:
        file = open(run.lock, "a+", encoding="utf-8")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise InputError(f"the run {str(run.path)!r} cannot be locked: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"the run {str(run.path)!r} is in use{_holder(run)}; a run has one driver"
            ) from None
        except OSError as error:
            raise InputError(
                f"the run {str(run.path)!r} cannot be locked: {error.strerror}; give an `out` on a "
                "file system with locks"
            ) from None
        who = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        with contextlib.suppress(OSError):  # a full disk: the lock holds without a name
            os.truncate(file.fileno(), 0)
            os.write(file.fileno(), json.dumps(who).encode())
        yield


def is_held(run: RunDirectory) -> bool:
    """Return whether a driver has the run now, this one included."""
    try:
        with run.lock.open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _holder(run: RunDirectory) -> str:
    """Return the driver that is written in the lock; empty if it cannot be read.

    A driver that just took the lock has not written yet: the file may be empty or name an earlier
    one, so it is read several times.
    """
    name = ""
    for _ in range(LOOKS):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads(run.lock.read_text(encoding="utf-8"))
            name = f" by process {told['pid']} on {told['host']} since {told['since']}"
            if told["host"] != socket.gethostname() or _lives(told["pid"]):
                break
        time.sleep(LOOK_S)
    return name


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
