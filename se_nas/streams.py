"""Standard output as it may be: gone, full, closed, or of few characters. A program goes on."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

# What our tables and lines have beside ASCII, for a terminal or a log that has no such characters.
PAIRS = (
    "→ ->, × x, … ..., – -, − -, · |, ± +-, ≥ >=, ≤ <=, ½ 1/2, ² 2, ³ 3, ₁ 1, ₂ 2, τ tau, α alpha"
    ", ─ -, ━ =, │ |, ╶ -, ╴ -"
)
PLAIN = str.maketrans(dict(pair.split() for pair in PAIRS.split(", ")))
# A reader that ended is no fault of anybody: ``| head``.
GONE = (errno.EPIPE, errno.ESHUTDOWN, errno.EBADF)


class SteadyStream:
    """A text stream that takes every text and never raises: of it the rest of ``stream`` is kept.

    Characters that the stream's encoding lacks are written in others. Once it takes nothing more
    (its reader ended, the disk is full, it is closed), what is written goes nowhere.

    Args:
        name: ``stdout`` or ``stderr``, looked up in ``sys`` at each write, since Jupyter and tests
            replace it; or a stream.
        lost: called once with the reason when the stream takes nothing more.
    """

    encoding = "utf-8"  # of what it takes: Typer looks for another way where there is less
    errors = "strict"

    def __init__(self, name: str | Any, lost: Callable[[OSError], None] | None = None) -> None:
        self._name, self._lost = name, lost
        self.error: OSError | None = None

    @property
    def _stream(self) -> Any:
        stream = getattr(sys, self._name) if isinstance(self._name, str) else self._name
        # While Rich shows a live line, it stands in the place of ``sys.stdout``.
        stream = getattr(stream, "rich_proxied_file", stream)
        return stream._stream if isinstance(stream, SteadyStream) else stream

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write takes a str, not {type(text).__name__}")
        stream = self._stream
        if stream is not None:
            with self._guarded():
                stream.write(encodable(text, getattr(stream, "encoding", None) or "utf-8"))
        return len(text)

    def flush(self) -> None:
        stream = self._stream
        if stream is not None:
            with self._guarded():
                stream.flush()

    def isatty(self) -> bool:
        try:
            return bool(self._stream.isatty())
        except (AttributeError, ValueError):  # there is none, or it is closed
            return False

    def writable(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_", "rich_")):
            raise AttributeError(name)
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except BlockingIOError:  # a slow reader of a stream that does not wait: a line is lost
            pass
        except OSError as error:
            self._give_up(error)
        except ValueError as error:  # it was closed
            if not getattr(self._stream, "closed", False):
                raise
            self._give_up(OSError(errno.EBADF, str(error)))

    def _give_up(self, error: OSError) -> None:
        if self.error is not None:
            return
        self.error = error
        with contextlib.suppress(OSError, ValueError, AttributeError):
            # What is buffered goes with it, and so does what others write there.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        if self._lost is not None:
            self._lost(error)


def encodable(text: str, encoding: str) -> str:
    r"""Return a text that can be written in an encoding.

    >>> encodable("64 × 64 → é", "ascii"), encodable("64 × 64 → é", "latin-1")
    ('64 x 64 -> \\xe9', '64 × 64 -> é')
    """
    try:
        text.encode(encoding)
    except LookupError:
        return text
    except UnicodeEncodeError:
        return "".join(_plain(character, encoding) for character in text)
    return text


def _plain(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        replaced = character.translate(PLAIN)
        return replaced.encode(encoding, "backslashreplace").decode(encoding)
    return character


@contextlib.contextmanager
def steady_streams() -> Iterator[SteadyStream]:
    """Let standard output and error take everything while the block lasts; yield the first."""
    _open_missing()
    before = sys.stdout, sys.stderr
    steady = tuple(SteadyStream(stream) for stream in before)
    sys.stdout, sys.stderr = steady
    try:
        yield steady[0]
    finally:
        for stream in steady:
            stream.flush()  # else Python does at its end, with an error of its own
        sys.stdout, sys.stderr = before


def note_if_lost(then: str) -> Callable[[OSError], None]:
    """Return a function for ``SteadyStream`` that says on standard error what happens ``then``."""

    def note(error: OSError) -> None:
        reason = error.strerror or str(error)
        line = f"note: standard output takes nothing more ({reason}); {then}\n"
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(line)
            sys.stderr.flush()

    return note


def _open_missing() -> None:
    """Open what a caller closed (``>&-``): the next file would be taken for standard output."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for good
