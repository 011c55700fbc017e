"""What a refused input must look like, of the command and in Python."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import se_nas.search
from se_nas import InputError
from se_nas.cli import main
from se_nas.texts import printable

LONGEST = 480

Refused = Callable[..., str]
RefusedAll = Callable[[Callable[[Any], Any], dict[str, Any]], None]


def check_line(line: str) -> None:
    assert line.strip(), "an empty message"
    assert printable(line) == line, f"more than a line, or control characters: {line!r}"
    assert len(line) <= LONGEST, f"{len(line)} characters: {line}"
    assert "Traceback" not in line
    assert "secret" not in line, f"a password is shown: {line}"


def listing(folder: Path) -> dict[str, int]:
    files = (path for path in folder.rglob("*") if path.name != "lock")  # a run's, for its driver
    return {str(path): 0 if path.is_dir() else path.lstat().st_mtime_ns for path in files}


def no_ray(*_: object, **__: object) -> None:
    raise AssertionError("Ray was about to start")


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Refused:
    """A call of the command that must be refused: it returns the line, without its beginning.

    The working directory, the home and the temporary folder are ``tmp_path``, in which nothing may
    change.
    """
    se_nas.search._configure(None)  # before ray is imported
    monkeypatch.setattr("ray.init", no_ray)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    def refused(*arguments: str) -> str:
        before = listing(tmp_path)
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        printed = capfd.readouterr()
        assert end.value.code == 2, printed.err
        assert printed.out == ""
        assert printed.err.startswith("error: "), printed.err
        assert printed.err.endswith("\n")
        line = printed.err[:-1]
        check_line(line)
        assert listing(tmp_path) == before, "something was written"
        return line.removeprefix("error: ")

    return refused


@pytest.fixture
def refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """A call of a function that must raise an ``InputError`` of one line, which it returns."""
    se_nas.search._configure(None)
    monkeypatch.setattr("ray.init", no_ray)
    monkeypatch.chdir(tmp_path)

    def refused(function: Callable[..., Any], *arguments: Any, **named: Any) -> str:
        before = listing(tmp_path)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(InputError) as error:
                function(*arguments, **named)
        check_line(str(error.value))
        assert listing(tmp_path) == before, "something was written"
        return str(error.value)

    return refused


@pytest.fixture
def refuse_all(refuse: Refused) -> RefusedAll:
    """A function that must refuse each of many values, of which those are named that it takes."""

    def refused(function: Callable[[Any], Any], values: dict[str, Any]) -> None:
        taken: list[str] = []
        for why, value in values.items():
            try:
                refuse(function, value)
            except BaseException as error:  # pytest's own are no Exception
                taken.append(f"{why}: {type(error).__name__}: {str(error)[:200]}")
        assert not taken, "\n".join(taken)

    return refused
