"""Read Python files that users write: spaces, data sets, training functions."""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from se_nas.errors import InputError
from se_nas.files import expand_home
from se_nas.texts import first_line, written

LONGEST_PATH = 4000
# What a file of the user's cannot stand in for while it is read.
OURS = ("se_nas", "torch", "torchvision", "numpy", "ray", "optuna", "PIL", "timm")


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

    Its functions may do so when they are called. ``sys.path`` is left alone, and no file of the
    user's takes the place of one of Python's or of SE-NAS, as a space called ``queue.py`` would.

    Args:
        what: is in the file, for messages: ``space``.

    Raises:
        InputError: there is no such file, or an error in it, with its line.
    """
    path = Path(expand_home(path))
    if not os.path.isfile(path):
        raise InputError(f"{what} {str(path)!r}: there is no such file")
    with _neighbours(str(path.resolve().parent)), errors_of_file(path, what):
        return runpy.run_path(str(path))


class Neighbours(MetaPathFinder):
    """A finder of modules in the folder of a user's file."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: object = None
    ) -> ModuleSpec | None:
        if path is not None or fullname in OURS or fullname in sys.stdlib_module_names:
            return None  # of a package, which finds its modules itself
        spec = PathFinder.find_spec(fullname, [self.folder])
        # A folder of pictures called ``data`` is a package to Python, if it finds no other.
        return None if spec is None or spec.origin is None else spec


@contextmanager
def _neighbours(folder: str) -> Iterator[None]:
    """Find the modules of a folder first while the block lasts, and after everything else later."""
    earlier = [each for each in sys.meta_path if isinstance(each, Neighbours)]
    _forget_namesakes(folder, {each.folder for each in earlier} - {folder})
    finder = next((each for each in earlier if each.folder == folder), Neighbours(folder))
    if finder in earlier:
        sys.meta_path.remove(finder)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        last = [each for each in sys.meta_path if isinstance(each, Neighbours)]
        # Before those of files that were read earlier: its own late imports are likelier.
        position = sys.meta_path.index(last[0]) if last else len(sys.meta_path)
        sys.meta_path.insert(position, finder)


def _forget_namesakes(folder: str, others: set[str]) -> None:
    """Forget modules from other files' folders whose names modules of this folder have."""
    finder = Neighbours(folder)
    for name in list(sys.modules):
        top = name.partition(".")[0]
        file = Path(getattr(sys.modules.get(top), "__file__", None) or "/")
        home = file.parent.parent if file.name == "__init__.py" else file.parent
        if str(home) in others and finder.find_spec(top, None) is not None:
            del sys.modules[name]


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
