"""The machine under a cluster of our own: where Ray may write, its token, open files.

Ray takes its defaults for granted. In a container or a batch job they may not serve: ``TMPDIR`` is
longer than the path of a socket can be, ``/tmp/ray`` is another user's, the home cannot be written,
or a shell allows few open files.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import secrets
import shlex
import stat
import tempfile
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

from se_nas.errors import InputError

# Linux has 107 bytes for the path of a socket. Ray's are below its folder:
# /session_2026-11-25_17-33-21_920419_1316700/sockets/plasma_store
LONGEST_FOLDER = 107 - 64
# Ray's server and its raylet have 57 files open before the first worker comes.
OPEN_FILES, MANY_FILES = 128, 4096
# Measured: with 12 GB of addresses a driver aborts, with 16 GB it searches.
ADDRESSES = 15 << 30
TOKEN = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
TOKEN_COMMAND = "ray get-auth-token"


def ray_folder(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return a folder for Ray's sessions; None where Ray's own default serves.

    Raises:
        InputError: none can be written that is short enough.
    """
    default = default_folder(environment)
    reason = why_not(default)
    if not reason:
        return None
    for private in private_folders(environment):
        if not why_not(private / "ray"):
            return private / "ray"
    raise InputError(
        f"Ray cannot keep its files in {str(default)!r} ({reason}), nor in /tmp, /var/tmp or "
        "/dev/shm: set RAY_TMPDIR to a folder of your own with a short path"
    )


def default_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that Ray takes if it is given none."""
    return Path(environment.get("RAY_TMPDIR", environment.get("TMPDIR", "/tmp")), "ray")


def why_not(folder: Path) -> str:
    """Return why Ray cannot have this folder, which need not be there; empty if it can."""
    if not folder.is_absolute():
        return "it is no absolute path"
    path = os.path.normpath(folder)
    if len(os.fsencode(path)) > LONGEST_FOLDER:
        return f"a path of more than {LONGEST_FOLDER} bytes is too long for its sockets"
    try:
        os.makedirs(path, exist_ok=True)
        # Of this process, and as it will write: a full disk or one that is read-only shows here.
        with tempfile.NamedTemporaryFile(dir=path) as file:
            file.write(b"\0" * 4096)
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def private_folders(environment: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """Yield temporary folders of this user alone, which are made.

    Ray lets everybody write into its own, so that one is a folder within.
    """
    temporary, runtime = environment.get("TMPDIR", ""), environment.get("XDG_RUNTIME_DIR", "")
    for base in (temporary, "/tmp", "/var/tmp", runtime, "/dev/shm"):
        folder = Path(base, f"ray-{os.geteuid()}")
        if os.path.isabs(base) and _is_private(folder):
            yield folder


def _is_private(folder: Path) -> bool:
    """Return whether a folder is ours and nobody else can write into it; make it."""
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700)
    try:
        found = folder.lstat()
    except OSError:
        return False
    private = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and private


def provide_home(environment: MutableMapping[str, str] = os.environ) -> None:
    """See to it that there is a home: Ray asks for it when it is imported.

    A container may run as a user whom nobody has told it of, without ``HOME``.

    Raises:
        InputError: there is none, and no folder that could be one.
    """
    if environment.get("HOME") or os.path.isabs(os.path.expanduser("~")):
        return
    for private in private_folders(environment):
        environment["HOME"] = str(private)
        return
    raise InputError("there is no home folder: set HOME to a folder that can be written")


def provide_token(environment: MutableMapping[str, str] = os.environ) -> None:
    """See to it that Ray has a token: where the home takes none, it lies in a temporary folder.

    Ray's own way is ``~/.ray/auth_token``, which it makes, and fails with a traceback.

    Raises:
        InputError: there is none, and none can be written.
    """
    given = any(environment.get(name) for name in TOKEN)
    if given or environment.get("RAY_AUTH_MODE", "token").lower() != "token":
        return
    home = environment.get("HOME")
    if home and _has_token(Path(home, ".ray", "auth_token")):
        return
    for private in private_folders(environment):
        if _has_token(private / "auth_token"):
            environment["RAY_AUTH_TOKEN_PATH"] = str(private / "auth_token")
            return
    raise InputError(
        "Ray's token can be written neither into your home nor into /tmp: set RAY_AUTH_TOKEN to a "
        "secret of your own"
    )


def token_command(environment: Mapping[str, str] = os.environ) -> str:
    """Return the command that prints the token of a cluster of ours."""
    path = environment.get("RAY_AUTH_TOKEN_PATH")
    return f"RAY_AUTH_TOKEN_PATH={shlex.quote(path)} ray get-auth-token" if path else TOKEN_COMMAND


def _has_token(path: Path) -> bool:
    """Return whether a file has a token; write one if it is not there.

    Two that start at once have the same: the file comes into being as a whole.
    """
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=".auth_token")  # mode 600
            try:
                with open(descriptor, "w", encoding="ascii") as file:
                    file.write(secrets.token_hex(32))
                with contextlib.suppress(FileExistsError):
                    os.link(part, path)
            finally:
                os.unlink(part)
        return bool(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return False


def check_limits() -> None:
    """Allow this process, and Ray's with it, more open files, addresses and bytes if they are few.

    Raises:
        InputError: the system does not allow as many as Ray needs.
    """
    files = _raised(resource.RLIMIT_NOFILE, MANY_FILES)
    if files < OPEN_FILES:
        raise InputError(
            f"a process here may have {files} files open, and Ray needs {OPEN_FILES} at least: "
            "raise the limit, with `ulimit -n 4096`"
        )
    # Ray maps a file of nearly a third of the memory for its objects.
    store = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 10
    for kind, what, least, option in (
        (resource.RLIMIT_AS, "map {} of memory", ADDRESSES, "v"),
        (resource.RLIMIT_FSIZE, "write files of {}", store, "f"),
    ):
        allowed = _raised(kind, least)
        if allowed < least:
            raise InputError(
                f"a process here may {what.format(f'{allowed / 1e9:.1f} GB')}, and Ray needs "
                f"{least / 1e9:.1f} GB: raise the limit, with `ulimit -{option} unlimited`"
            )


def _raised(kind: int, enough: int) -> float:
    """Return how much of something a process may have, raised to ``enough`` if that is allowed."""
    soft, hard = resource.getrlimit(kind)
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < enough:
        more = enough if hard == unlimited else min(hard, enough)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (more, hard))
    soft, _ = resource.getrlimit(kind)
    return math.inf if soft == unlimited else soft
