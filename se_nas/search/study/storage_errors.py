"""Errors of a study's storage: network file systems, full disks, databases."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from se_nas.errors import InputError
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.texts import HIDDEN, first_line, without_password

# File systems where SQLite's locks do not hold (https://www.sqlite.org/faq.html#q5). A run's
# journal does: its lock is a symbolic link, and a run has one driver.
NETWORK = frozenset(
    {
        *(
            "afs",
            "beegfs",
            "ceph",
            "cifs",
            "fuse.glusterfs",
            "fuse.s3fs",
            "fuse.sshfs",
            "glusterfs",
        ),
        *("gpfs", "lustre", "ncpfs", "nfs", "nfs3", "nfs4", "ocfs2", "pvfs2", "smb3", "smbfs"),
        "wekafs",
    }
)
# A disk that takes nothing more; what was written before is safe.
FULL = {
    errno.ENOSPC: "is full",
    errno.EDQUOT: "is over its quota",
    errno.EROFS: "can only be read",
    errno.EFBIG: "takes no larger files (`ulimit -f`)",
    errno.EIO: "has an input/output error",
}


def file_system(path: Path, mounts: str | None = None) -> str:
    """Return the type of the file system that a path is on, or would be; empty if not known.

    >>> mounts = "/dev/sda1 / ext4 rw 0 0\\nserver:/home /home nfs4 rw 0 0\\n"
    >>> file_system(Path("/home/me/study.db"), mounts), file_system(Path("/homes/x"), mounts)
    ('nfs4', 'ext4')
    """
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
    found = Path(), ""
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split()
        folder = Path(point.replace("\\040", " "))
        # A later mount on the same folder hides the earlier one.
        if path.is_relative_to(folder) and len(folder.parts) >= len(found[0].parts):
            found = folder, kind
    return found[1]


def check_storage(url: str) -> None:
    """Refuse a storage that cannot be opened, before anything is started; nothing is written.

    Raises:
        InputError: it is no URL of a database, the package for it is missing, there is no such
            folder or database, or it is SQLite on a network file system.
    """
    place = repr(without_password(url))
    try:
        parsed = make_url(url)
        parsed.get_dialect().import_dbapi()
        if not url.startswith("sqlite"):
            create_engine(parsed, poolclass=NullPool).connect().close()
    except Exception as error:  # the drivers behind a URL raise many types
        raise InputError(_without_secrets(cannot_open(place, error), url)) from None
    check_url(url)
    if url.startswith("sqlite") and parsed.database not in (None, "", ":memory:"):
        file = sqlite_file(url)
        if not os.path.isdir(file.parent):
            raise InputError(f"storage {place} cannot be opened: there is no folder {file.parent}")
        if os.path.exists(file) and not _is_sqlite(file):
            raise InputError(f"storage {place} cannot be opened: it is no SQLite database")


def check_url(url: str, mounts: str | None = None) -> None:
    """Refuse SQLite on a network file system.

    Raises:
        InputError: with what to use there.
    """
    if not url.startswith("sqlite"):
        return
    kind = file_system(sqlite_file(url).resolve(), mounts)
    if kind in NETWORK:
        raise InputError(
            f"storage {without_password(url)!r} is SQLite on a network file system ({kind}), where "
            "its locks do not hold; leave `storage` out (a run's own journal may lie there), or "
            "give a PostgreSQL or MySQL URL"
        )


def _without_secrets(message: str, url: str) -> str:
    """Hide a URL's password, of which drivers show parts: what follows an ``@`` in it as a host."""
    given = re.search(r"://[^:/@]*:(.*)@", url)
    for part in given[1].split("@") if given else ():
        if part:  # a word of its own: one letter is in many others, and would be told by them
            message = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", HIDDEN, message)
    return message


def _is_sqlite(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            start = opened.read(16)
    except OSError:
        return False
    return start in (b"", b"SQLite format 3\0")


def sqlite_file(url: str) -> Path:
    """Return the file of an SQLite URL."""
    return Path(url.partition(":///")[2].partition("?")[0]).absolute()


def cannot_open(place: str, error: Exception) -> str:
    """Return why a storage cannot be opened; ``place`` names it without a password."""
    reason = first_line(error)
    if isinstance(error, ImportError):
        reason = f"{reason} (for PostgreSQL: pip install 'se-nas[postgres]')"
    return f"storage {place} cannot be opened: {reason}"


@contextlib.contextmanager
def storage_errors_as_input_errors(run: RunDirectory) -> Iterator[None]:
    """Turn errors of a failing disk or database into one line that says how to go on.

    Raises:
        InputError: the disk takes nothing more, or the database does not answer.
    """
    try:
        yield
    except InputError:  # a line already
        raise
    except Exception as error:
        told = next(
            (text for cause in _causes(error) if (text := _storage_message(cause, run))), ""
        )
        if not told:
            raise
        raise InputError(
            f"{told}; what was told to the study is safe: mend that and go on with {run.resume}"
        ) from None


def _storage_message(error: BaseException, run: RunDirectory) -> str:
    """Return what an error says of the disk or the database; empty if it is of another kind."""
    if isinstance(error, OSError) and error.errno in FULL:
        return f"the disk of {str(run.path)!r} {FULL[error.errno]}"
    # Of a database, what its driver says; what SQLAlchemy adds are the statement and its values.
    if isinstance(error, DBAPIError) and error.orig is not None:
        return f"the study's database does not answer: {first_line(error.orig)}"
    if isinstance(error, SQLAlchemyError):
        return f"the study's database does not answer: {first_line(error)}"
    return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those behind it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
