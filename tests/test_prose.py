"""Docstrings say what is done: of functions in the imperative, of modules without riddles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import se_nas

PACKAGE = Path(se_nas.__file__).parent
# Files and folders that still wait for their turn.
EXEMPT = (
    *("search", "cli/search.py", "trunks", "errors.py", "layers.py", "se.py"),
    *("cost/layer_cost.py", "latency/blocks.py"),
    *("nn/identity_init.py", "nn/squeeze_excitation.py"),
)
NOUNS = ("The", "A", "An", "What", "Whether", "How", "Which", "All", "Every", "Each")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def is_exempt(path: Path) -> bool:
    return any(path.is_relative_to(PACKAGE / place) for place in EXEMPT)


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
    found = ["module"] if begins_with(ast.get_docstring(module), ("What",)) else []
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
        if not is_exempt(path)
    ],
)
def test_docstrings_begin_with_what_is_done(path: Path) -> None:
    assert complaints_of(path) == []


@pytest.mark.parametrize("place", EXEMPT)
def test_exemptions_are_needed(place: str) -> None:
    root = PACKAGE / place
    paths = [root] if root.is_file() else sorted(root.rglob("*.py"))
    assert any(complaints_of(path) for path in paths), f"{place} is clean: take it off EXEMPT"


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
