"""Docstrings: functions in the imperative, modules without riddles, rooms with their files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import se_nas
from se_nas.trunks import FAMILIES

PACKAGE = Path(se_nas.__file__).parent
NOUNS = ("The", "A", "An", "What", "Whether", "How", "Which", "All", "Every", "Each")
RIDDLES = ("What", "Whether", "How", "Who", "Where", "Which", "Nothing")
ROOMS = sorted(path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE)
FAMILY_FILES = {family.trunk.__module__.rpartition(".")[2] for family in FAMILIES.values()}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(body: list[ast.stmt]) -> Iterator[Function]:
    """Yield functions and methods, but no nested functions and none of protocols."""
    for node in body:
        if isinstance(node, Function):
            yield node
        elif isinstance(node, ast.ClassDef) and "Protocol" not in map(ast.unparse, node.bases):
            yield from functions(node.body)


def is_free(function: Function) -> bool:
    """Return whether a noun phrase is right: a property, a dunder method, a ``...`` body."""
    properties = any("property" in ast.unparse(mark) for mark in function.decorator_list)
    dunder = function.name.startswith("__") and function.name.endswith("__")
    return properties or dunder or ast.unparse(function.body[-1]) == "..."


def begins_with(text: str | None, words: tuple[str, ...]) -> bool:
    return (text or "").split(" ")[0] in words


def complaints(source: str) -> list[str]:
    """Return the names of what has a docstring with a wrong beginning."""
    module = ast.parse(source)
    found = ["module"] if begins_with(ast.get_docstring(module), RIDDLES) else []
    for function in functions(module.body):
        if begins_with(ast.get_docstring(function), NOUNS) and not is_free(function):
            found.append(function.name)
    return found


def complaints_of(path: Path) -> list[str]:
    return complaints(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.relative_to(PACKAGE).as_posix())
        for path in sorted(PACKAGE.rglob("*.py"))
    ],
)
def test_docstrings_begin_with_what_is_done(path: Path) -> None:
    assert complaints_of(path) == []


def listed(docstring: str) -> list[str]:
    """Return the names in a list of files: columns of names and words, two spaces between."""
    return [
        name
        for line in docstring.splitlines()
        for name in re.findall(r"(?:^|\s{2,})(\w+)\s{2,}(?=\S)", line)
    ]


def files_of(room: Path) -> set[str]:
    """Return the modules and rooms in a room, private ones and families of trunks aside."""
    files = {path.stem for path in room.glob("[!_]*.py")}
    rooms = {path.parent.name for path in room.glob("*/__init__.py")}
    return (files | rooms) - (FAMILY_FILES if room.name == "trunks" else set())


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.relative_to(PACKAGE).as_posix())
def test_every_room_lists_its_files(room: Path) -> None:
    docstring = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8")))
    assert sorted(listed(docstring or "")) == sorted(files_of(room))


def test_the_list_of_files_is_read_in_columns() -> None:
    lines = "Words of a room.\n\none       the first      second   the other\nthird_3   a last one"
    assert listed(lines) == ["one", "second", "third_3"]


def test_the_check_finds_functions_methods_and_modules() -> None:
    source = '''
"""What is here."""

def first():
    """The first."""

class Second:
    """A class."""

    @classmethod
    def third(cls):
        """Whether it is the third."""
'''
    assert complaints(source) == ["module", "first", "third"]


def test_the_check_leaves_nouns_where_they_belong() -> None:
    source = '''
"""A module."""

from typing import Protocol

def first():
    """Return the first."""

    def nested():
        """The nested one."""

class Second(Protocol):
    def third(self):
        """The third."""
        ...

class Fourth:
    @property
    def fifth(self):
        """The fifth."""
        return 5

    def __len__(self):
        """The length."""
        return 1
'''
    assert complaints(source) == []
