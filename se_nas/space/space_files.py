"""Lookup of search spaces: by name in ``search_spaces/``, or in a user's own file."""

from __future__ import annotations

import os
from pathlib import Path

from se_nas.errors import InputError, unknown
from se_nas.files import expand_home
from se_nas.space.space import Space
from se_nas.texts import written
from se_nas.user_files import read_python_file


def space_files() -> dict[str, Path]:
    """List the spaces that come with SE-NAS: beside the package, or inside it in a wheel."""
    package = Path(__file__).parents[1]
    folders = (package / "search_spaces", package.parent / "search_spaces")
    folder = next((f for f in folders if f.is_dir()), folders[0])
    return {file.stem: file for file in sorted(folder.glob("*.py"))}


def load_space(name_or_path: str) -> Space:
    """Load the space of a name such as ``mobile_se``, or of a path to a file.

    The file is a ``space.json``, or Python: that holds one ``Space`` at its top level; if it holds
    several, one is named ``SPACE``.

    Raises:
        InputError: unknown name (with the nearest), no such file, an error in the file.

    >>> load_space("paper_ablations").size
    18
    """
    if not isinstance(name_or_path, str):
        raise InputError(f"space is {written(name_or_path)}; give a name or a path, as a text")
    if is_path(name_or_path):
        return _read(Path(expand_home(name_or_path)))
    files = space_files()
    if name_or_path not in files:
        raise unknown("space", name_or_path, files, "; or give a path to your own file.py")
    return _read(files[name_or_path])


def is_path(name_or_path: str) -> bool:
    """Return whether a space is given by its file, not by its name."""
    return name_or_path.endswith((".py", ".json")) or any(c in name_or_path for c in "/\\")


def _read(path: Path) -> Space:
    if path.suffix == ".json":
        return _read_json(path)
    values = read_python_file(path, "space")
    spaces = {name: value for name, value in values.items() if isinstance(value, Space)}
    if len(spaces) == 1:
        return next(iter(spaces.values()))
    if "SPACE" in spaces:
        return spaces["SPACE"]
    raise InputError(
        f"space file {str(path)!r} has {len(spaces)} spaces; define one and call it SPACE"
    )


def _read_json(path: Path) -> Space:
    if not os.path.isfile(path):
        raise InputError(f"space {str(path)!r}: there is no such file")
    try:
        return Space.from_json(path.read_text(encoding="utf-8"))
    except (InputError, ValueError) as error:
        raise InputError(f"space file {str(path)!r}: {error}") from None
