"""Optuna's journal file, written in batches: one lock and one fsync for all that belongs together.

Optuna appends every parameter, attribute and constraint of a trial on its own, each with an fsync.
Within ``batch`` they are kept, and read back, in memory, and appended as one write at its end. So
a proposal's time does not grow with its parameters, and an error within a batch leaves the records
before it. A process that is killed as it writes may leave whole records of a batch without the
rest: ``recovery.py`` goes on from each of them.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from se_nas.search.study.optuna_internals import journal_of


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

    Call it only under the run's lock. Else Optuna would wait half a minute for the lock that the
    driver left, and append the next record to a last line without its end.
    """
    for left in journal.parent.glob(f"{journal.name}.lock*"):
        left.unlink(missing_ok=True)
    if not journal.is_file():
        return ""
    content = journal.read_bytes()
    end = content.rfind(b"\n") + 1
    rest = content[end:]
    if rest and _is_record(rest):
        with journal.open("ab") as file:
            file.write(b"\n")
        return ""
    while end and not _is_record(content[content.rfind(b"\n", 0, end - 1) + 1 : end]):
        end = content.rfind(b"\n", 0, end - 1) + 1
    if end == len(content):
        return ""
    os.truncate(journal, end)
    return (
        f"the study's journal was cut while it was written: its last {len(content) - end} bytes, "
        "no complete record, are removed"
    )


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
