"""Files that a search leaves outside of its run: found, removed, and never those in use.

A cluster of our own has a session folder of Ray's, with logs and sockets, in the temporary folder.
We leave our mark in it, by which it is known later, and remove it at the end of a search. What a
driver that was killed could not remove is found here, for ``se-nas clean``.
"""

from __future__ import annotations

import contextlib
import errno
import getpass
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from se_nas.data.decoded import decoded_folder
from se_nas.files import cache_folder

MARK = "se_nas.json"
# What Ray writes beside its sessions.
BESIDE = ("session_latest", "prom_metrics_service_discovery.json")
# Logs that say why a worker or a node died, and how much of each is kept.
LOGS, LONGEST_LOG = ("worker-*.err", "worker-*.out", "raylet.*", "gcs_server.*"), 1 << 20
TRIES, TRY_S = 20, 0.1


@dataclass(frozen=True)
class Leftover:
    """A file or folder that a search left, what it is, and whether something uses it."""

    path: Path
    what: str
    in_use: bool = False

    @property
    def size(self) -> int:
        """Bytes of all files in it."""
        files = [self.path, *self.path.rglob("*")] if self.path.is_dir() else [self.path]
        found = 0
        for file in files:
            with contextlib.suppress(OSError):
                found += 0 if file.is_dir() else file.lstat().st_size
        return found

    def remove(self) -> None:
        """Remove it; of a Ray session also what lies beside it, if it was the last one."""
        if (self.path / MARK).is_file():
            remove_session(self.path)
        elif self.path.is_dir():
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.path.unlink(missing_ok=True)


def leftovers(folders: Iterable[Path] | None = None) -> list[Leftover]:
    """Return what searches of this user left outside of their runs.

    Args:
        folders: of Ray; if not given, those in which a search may have started it.
    """
    folders = ray_folders() if folders is None else folders
    sessions = [
        Leftover(session, "Ray's session of a search", in_use=is_live(session))
        for folder in folders
        for session in sorted(folder.glob("session_*"))
        if (session / MARK).is_file() and not session.is_symlink()
    ]
    busy = any(each.in_use for each in sessions)
    cache = Leftover(cache_folder(), "measured latencies, pictures that were looked at", busy)
    pictures = Leftover(decoded_folder(), "pictures as decoded", busy)
    return [*sessions, *(each for each in (cache, pictures) if each.path.is_dir())]


def tokens() -> list[Leftover]:
    """Return the tokens by which this user's Ray clusters know one another."""
    users = f"ray-{os.geteuid()}"
    places = [Path.home() / ".ray", *(folder.parent for folder in ray_folders())]
    files = [place / "auth_token" for place in places if place.name in (".ray", users)]
    return [Leftover(file, "Ray's token") for file in dict.fromkeys(files) if file.is_file()]


def ray_folders() -> Iterator[Path]:
    """Yield the folders in which Ray keeps its sessions, here and for this user."""
    bases = [os.environ.get("RAY_TMPDIR", ""), tempfile.gettempdir(), "/tmp", "/var/tmp"]
    bases += [os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm"]
    places = [Path(base) for base in dict.fromkeys(bases) if base]
    for place in places:
        for folder in (place / "ray", place / f"ray-{os.geteuid()}" / "ray"):
            if os.path.isdir(folder) and os.access(folder, os.R_OK | os.X_OK):
                yield folder


def mark_session(session: Path) -> None:
    """Write into Ray's session that it is a search's, and whose."""
    with contextlib.suppress(OSError):
        (session / MARK).write_text(json.dumps({"pid": os.getpid()}), encoding="utf-8")


def mark_sessions_of_process(folder: Path) -> None:
    """Mark the sessions that this process began in Ray's folder: one whose start fails is left."""
    for session in folder.glob(f"session_*_{os.getpid()}"):
        mark_session(session)


def is_live(session: Path) -> bool:
    """Return whether the driver of a session lives, or one of its sockets still answers."""
    try:
        pid = json.loads((session / MARK).read_text(encoding="utf-8"))["pid"]
        os.kill(pid, 0)
    except ProcessLookupError:
        pass
    except (OSError, ValueError, KeyError, TypeError, OverflowError):  # somebody else's process
        return True
    else:
        return True
    return any(_answers(each) for each in (session / "sockets").glob("*"))


def remove_session(session: Path) -> None:
    """Remove a session's folder, and what Ray wrote beside it if no other session is there."""
    _wait(lambda: not any(map(_answers, (session / "sockets").glob("*"))))
    _wait(lambda: _is_removed(session))
    with contextlib.suppress(OSError):
        if os.path.basename(os.readlink(session.parent / BESIDE[0])) == session.name:
            (session.parent / BESIDE[0]).unlink()
    with contextlib.suppress(OSError):
        if {file.name for file in session.parent.iterdir()} <= set(BESIDE):
            for name in BESIDE:
                (session.parent / name).unlink(missing_ok=True)
            session.parent.rmdir()


def keep_logs(session: Path, folder: Path) -> None:
    """Copy the logs that say why a worker or a node died into ``folder``, if there are any."""
    with contextlib.suppress(OSError):
        for pattern in LOGS:
            for log in sorted((session / "logs").glob(pattern)):
                content = log.read_bytes()[-LONGEST_LOG:]
                if content.strip():
                    folder.mkdir(exist_ok=True)
                    (folder / log.name).write_bytes(content)


def remove_empty_compiler_cache() -> None:
    """Remove the folder that ``import torch`` makes for compiled code, if nothing was compiled."""
    with contextlib.suppress(OSError, KeyError):
        Path(tempfile.gettempdir(), f"torchinductor_{getpass.getuser()}").rmdir()


def multiprocessing_folders() -> set[Path]:
    """Return the temporary folders of Python's multiprocessing that are there now."""
    return set(Path(tempfile.gettempdir()).glob("pymp-*"))


def remove_multiprocessing_folders(before: set[Path]) -> None:
    """Remove those that came since and whose process was killed, as Ray does with its own."""
    new = multiprocessing_folders() - before
    _wait(lambda: not any(map(_is_used, new)))
    for folder in new:
        if not _is_used(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_removed(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _is_used(folder: Path) -> bool:
    """Return whether a process listens on a socket in a folder, or may be about to."""
    sockets = [*folder.glob("*")]
    return not sockets or any(map(_answers, sockets))


def _wait(done: Callable[[], bool]) -> None:
    """Wait for processes that are ending, but not for long."""
    for _ in range(TRIES):
        if done():
            return
        time.sleep(TRY_S)


def _answers(path: Path) -> bool:
    """Return whether a process listens on a socket; True where that cannot be known."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
        except OSError as error:
            return error.errno not in (errno.ECONNREFUSED, errno.ENOENT)
    return True
