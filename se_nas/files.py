"""Paths as users write them, and the atomic replacement of whole files."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import stat
import tempfile
from pathlib import Path

from se_nas.errors import InputError


def expand_home(path: str | os.PathLike[str]) -> str:
    """Return a path whose ``~`` is the home folder: no shell expands ``--out=~/runs``.

    Every path that a user gives goes through here.

    Raises:
        InputError: the home is not known, as in a container without such a user.

    >>> expand_home("runs"), expand_home("a/~")
    ('runs', 'a/~')
    """
    given = os.fspath(path)
    expanded = os.path.expanduser(given)
    if given.startswith("~") and expanded == given and (given == "~" or "/" in given):
        raise InputError(f"{given!r}: that home folder is not known; give a path without ~")
    return expanded


def replace_atomically(path: str | Path, content: bytes) -> None:
    """Write ``content`` so that a reader sees the old file or the new one, never half of it.

    It goes into a file beside the target, which then takes its place: a writer that is killed
    leaves the old file, and of several writers, on one machine or on many, one's content is there
    whole. A symbolic link stays one, the file keeps its permissions, and one that must not be
    written to stays as it is; what is no plain file, such as a pipe, is written to.

    Raises:
        OSError: the folder is missing or cannot be written to, the old file is write-protected, or
            the disk is full; the old file is left, and nothing beside it.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        target.write_bytes(content)
        return
    mode: int | None = None
    if target.exists():
        if not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "the file is write-protected", str(target))
        mode = stat.S_IMODE(target.stat().st_mode)
    writer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    part = target.with_name(f".{target.name[:24]}.{writer}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
        if mode is not None:
            part.chmod(mode)
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def cache_folder() -> Path:
    """Return ``se-nas`` below ``XDG_CACHE_HOME`` if that is absolute, or below ``~/.cache``.

    For a user without a home, as in a container, it is a temporary folder.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    home = os.path.expanduser("~")
    if not os.path.isabs(given) and not os.path.isabs(home):
        return Path(tempfile.gettempdir(), f"se-nas-{os.geteuid()}")
    return Path(given if os.path.isabs(given) else Path(home, ".cache"), "se-nas")
