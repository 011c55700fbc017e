"""Optuna's journal file, written in batches: one lock and one fsync for all that belongs together.

Optuna appends every parameter, attribute and constraint of a trial on its own, each with an fsync.
Within ``batch`` they are kept, and read back, in memory, and appended as one write at its end. So
a proposal's time does not grow with its parameters, and an error within a batch leaves the records
before it. A process that is killed as it writes may leave whole records of a batch without the
rest: ``recovery.py`` goes on from each of them.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from se_nas.errors import InputError
from se_nas.search.study.optuna_internals import journal_of

# The suffixes of Optuna's lock, and of one that it is about to remove.
LOCKS = re.compile(r"\.lock([0-9a-f-]{36}\.rename)?")


class HeldLock(JournalFileSymlinkLock):
    """A reentrant file lock: a symbolic link, which even on NFS only one process can make."""

    depth = 0

    def acquire(self) -> bool:
        if self.depth == 0:
            super().acquire()
        self.depth += 1
        return True

    def release(self) -> None:
        # Optuna's ``acquire`` itself releases a lock that a dead process left.
        self.depth = max(0, self.depth - 1)
        if self.depth == 0:
            super().release()


class BatchedJournal(JournalFileBackend):
    """A journal file whose writes can be put together with ``batch``."""

    def __init__(self, path: str) -> None:
        self._held = HeldLock(path)
        super().__init__(path, self._held)
        self._pending: list[dict[str, Any]] | None = None
        self._written: int | None = None  # entries in the file, once a batch has read it

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Append everything that is written within the block as one write, at its end.

        Other processes wait for the lock as long; Optuna breaks it after 30 s.
        """
        if self._pending is not None:
            yield  # part of the batch around it
            return
        self._held.acquire()
        try:
            self._pending, self._written = [], None
            try:
                yield
            finally:
                pending, self._pending = self._pending, None
                if pending:
                    super().append_logs(pending)
                if pending and self._written is not None:
                    for _ in super().read_logs(self._written):
                        pass  # lets the file's reader know where the new entries end
        finally:
            self._held.release()

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        if self._pending is None:
            super().append_logs(logs)
        else:
            # Read back later, a record must be as a reader of the file would get it.
            self._pending.extend(json.loads(json.dumps(logs)))

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        if self._pending is None:
            yield from super().read_logs(log_number_from)
            return
        if self._written is None or log_number_from < self._written:
            # The lock is held: the file does not change within a batch, and is read once.
            found = list(super().read_logs(log_number_from))
            self._written = log_number_from + len(found)
            yield from found
        yield from self._pending[max(0, log_number_from - self._written) :]


def batch(study: optuna.Study) -> contextlib.AbstractContextManager[None]:
    """Begin a batch of the study's journal; do nothing for other storages."""
    backend = journal_of(study)
    return backend.batch() if isinstance(backend, BatchedJournal) else contextlib.nullcontext()


def repair_journal(journal: Path) -> str:
    """Make the journal of a killed driver readable; return what was done, empty if nothing.

    Only a tail that a driver can have left goes: a record without its end, or zeros where the
    system lost what it had promised to write. It is kept beside the journal.

    Call it only under the run's lock. Else Optuna would wait half a minute for the lock that the
    driver left, and append the next record to a last line without its end.

    Raises:
        InputError: the file is no journal, or is damaged before its end: it is left as it is.
    """
    for left in journal.parent.iterdir():
        if LOCKS.fullmatch(left.name.removeprefix(journal.name)) and left.name != journal.name:
            left.unlink(missing_ok=True)
    if not journal.is_file():
        return ""
    try:
        content = journal.read_bytes()
    except OSError as error:
        raise InputError(f"{str(journal)!r} cannot be read: {error.strerror}") from None
    end = 0
    for number, line in enumerate(io.BytesIO(content), start=1):
        whole = line.endswith(b"\n")
        if not _is_record(line):
            return _cut(journal, content, end, number)
        end += len(line)
        if not whole:
            with journal.open("ab") as file:
                file.write(b"\n")
    return ""


def _cut(journal: Path, content: bytes, end: int, number: int) -> str:
    """Cut what is behind ``end`` and keep it beside; ``number`` is that of the line there."""
    tail = content[end:]
    zeros = end > 0 and not tail.strip(b"\0\n")
    if not zeros and (b"\n" in tail or not tail.startswith(b"{")):
        what = "no record of a study" if end else "no journal of a study"
        raise InputError(
            f"{str(journal)!r}, line {number}: {what}, and it is not the cut end of one; nothing "
            "was changed: put the journal back from a copy, or start a new run"
        )
    kept = keep_beside(journal, tail)
    os.truncate(journal, end)
    return (
        f"the study's journal was cut while it was written: its last {len(tail)} bytes, no "
        f"complete record, are removed and kept in {kept.name}"
    )


def keep_beside(file: Path, content: bytes) -> Path:
    """Write bytes of a file that are about to go into a new one: ``study.journal.cut-1``."""
    number = 1
    while (kept := file.with_name(f"{file.name}.cut-{number}")).exists():
        number += 1
    with kept.open("xb") as copy:
        copy.write(content)
    return kept


def _is_record(line: bytes) -> bool:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and isinstance(record.get("op_code"), int)
