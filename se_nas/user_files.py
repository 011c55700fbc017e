"""Read Python files that users write: spaces, data sets, training functions."""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from se_nas.errors import InputError, first_line, written

LONGEST_PATH = 4000


def as_path(what: str, value: Any) -> Path:
    """Return a path that a user gives.

    Raises:
        InputError: it is no path, empty, or longer than the system takes.
    """
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST_PATH or "\0" in text:
        raise InputError(f"{what} is {written(value)}; give the path of a file")
    return Path(text)


def read_python_file(path: Path, what: str) -> dict[str, Any]:
    """Run a file and return what it defines; it may import files beside it, as a script may.

    Its folder stays on ``sys.path``: a function of the file may import when it is called.

    Args:
        what: is in the file, for messages: ``space``.

    Raises:
        InputError: there is no such file, or an error in it, with its line.
    """
    if not os.path.isfile(path):
        raise InputError(f"{what} {str(path)!r}: there is no such file")
    beside = str(path.absolute().parent)
    if beside not in sys.path:
        sys.path.insert(0, beside)
    with errors_of_file(path, what):
        return runpy.run_path(str(path))


@contextmanager
def errors_of_file(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a user's code raises into one line that names its file and line."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{what} file {str(path)!r}{_line(error, path)}: {error}") from None
    except SyntaxError as error:
        where = f"{what} file {str(path)!r}, line {error.lineno}"
        raise InputError(f"{where}: syntax error: {error.msg}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit() too
        where = f"{what} file {str(path)!r}{_line(error, path)}"
        raise InputError(f"{where}: {type(error).__name__}: {first_line(error)}") from None


def _line(error: BaseException, path: Path) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""
