"""Signals: the first ends the search in good order, the second at once.

Ctrl-C, SIGTERM (Slurm, Kubernetes) and SIGHUP (a closed terminal) are treated alike.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from se_nas.texts import printable

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# SIGKILL comes 30 s after Slurm's or Kubernetes' SIGTERM.
EXIT_TIMEOUT_S = 20.0
Handler = Callable[[int, FrameType | None], None]


class Interrupted(KeyboardInterrupt):
    """The end of a search by a signal; ``exit_code`` is 128 and its number, as in a shell."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.exit_code = 128 + number


@contextlib.contextmanager
def as_python_ends() -> Iterator[None]:
    """Raise for a Python caller what Python's own programs end with: no class of ours.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
        SystemExit: after another signal, with ``exit_code``.
    """
    try:
        yield
    except Interrupted as end:
        if end.exit_code == 128 + signal.SIGINT:
            raise KeyboardInterrupt from None
        raise SystemExit(end.exit_code) from None


@contextlib.contextmanager
def raise_on_signal(patience: float = EXIT_TIMEOUT_S) -> Iterator[None]:
    """Raise ``Interrupted`` at a signal; after the block all handlers are as before it.

    Python gives signals to the main thread; elsewhere this does nothing. If the block has not
    ended in ``patience`` seconds after SIGTERM, the process does.
    """
    raised: list[int] = []
    line = "stopped: it did not end in time; a run that was begun goes on with --resume"
    with _hurried(patience, line) as hurry, _numbered(raised):

        def end(number: int, _: FrameType | None) -> None:
            _leave_terminal(number)
            hurry(number)
            raised.append(number)
            raise Interrupted(number)

        with _handled(end):
            yield


@contextlib.contextmanager
def stop_on_signal(
    stop: Callable[[], None], run: str, patience: float = EXIT_TIMEOUT_S
) -> Iterator[list[int]]:
    """Call ``stop`` at the first signal; raise ``Interrupted`` at the second.

    A batch system sends SIGTERM to Ray's processes too, and Tune then waits for a cluster that is
    gone: if the block has not ended in ``patience`` seconds after it, the process does.

    Args:
        run: its folder as a word of a shell, for the line that says how to go on then.

    Yields:
        A list that the first signal's number goes into.
    """
    came: list[int] = []
    raised: list[int] = []
    line = f"stopped: Ray Tune did not end in time; go on with --resume {run}"
    with _hurried(patience, line) as hurry, _numbered(raised):

        def once(number: int, _: FrameType | None) -> None:
            _leave_terminal(number)
            hurry(number)
            if came:
                raised.append(number)
                raise Interrupted(number)
            came.append(number)
            stop()

        with _handled(once):
            yield came


@contextlib.contextmanager
def _hurried(patience: float, line: str) -> Iterator[Callable[[int], None]]:
    """Yield a function for handlers: after SIGTERM it ends the process if the block does not."""

    def give_up() -> None:
        with contextlib.suppress(OSError):  # a pipe whose reader is gone: ``2>&1 | tee log``
            os.write(2, f"{printable(line)}\n".encode())
        os._exit(128 + signal.SIGTERM)

    timer = threading.Timer(patience, give_up)
    timer.daemon = True
    started: list[int] = []

    def hurry(number: int) -> None:
        if number == signal.SIGTERM and not started:
            started.append(number)
            timer.start()

    try:
        yield hurry
    finally:
        timer.cancel()


@contextlib.contextmanager
def _numbered(raised: Sequence[int]) -> Iterator[None]:
    """Keep a signal's number where Ray raises an error of its own in place of ``Interrupted``."""
    try:
        yield
    except KeyboardInterrupt as error:  # Ray was waiting, in C++
        if raised and not isinstance(error, Interrupted):
            raise Interrupted(raised[-1]) from None
        raise
    except SystemExit as error:  # Ray was starting, with its own handler for SIGTERM
        if error.code == signal.SIGTERM:
            raise Interrupted(signal.SIGTERM) from None
        raise


@contextlib.contextmanager
def _handled(handler: Handler) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        for number, earlier in before.items():
            if earlier is not signal.SIG_IGN:  # what is ignored stays so: SIGHUP under nohup
                signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, signal.SIG_DFL if earlier is None else earlier)


def _leave_terminal(number: int) -> None:
    """Send output nowhere once the terminal is gone: each line would raise and end the search."""
    if number != signal.SIGHUP:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        if stat.S_ISCHR(os.fstat(stream).st_mode):  # a closed terminal is none to isatty
            os.dup2(nowhere, stream)
    os.close(nowhere)
