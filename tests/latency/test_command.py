"""The user's own tool: what it may print, and what is said of one that fails."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from se_nas import InputError
from se_nas.latency import command
from se_nas.latency.command import check_command, milliseconds


def python(code: str) -> str:
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)} {{onnx}}"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("trtexec", "has no {onnx}"),
        ("", "has no {onnx}"),
        ("{onnx}", "has no {onnx} behind the program's name"),
        ("trtexec '--onnx={onnx}", "No closing quotation"),
    ],
)
def test_a_command_that_cannot_be_one(given: str, reason: str) -> None:
    with pytest.raises(InputError, match="latency command") as error:
        check_command(given)
    assert reason in str(error.value)


@pytest.mark.parametrize("printed", ["3.25", "3.25 ms", "warm\n3.25ms\n\n", "9\n3.25 "])
def test_the_last_line_is_the_time(printed: str, tmp_path: Path) -> None:
    assert milliseconds(python(f"print({printed!r})"), tmp_path / "a.onnx") == 3.25


def test_the_file_is_given_as_one_word(tmp_path: Path) -> None:
    file = tmp_path / "a name with spaces.onnx"
    file.write_bytes(b"x" * 17)
    told = python("import os, sys; print(os.path.getsize(sys.argv[1]))")
    assert milliseconds(told, file) == 17
    inside = told.replace("sys.argv[1]", "sys.argv[1][7:]").replace("{onnx}", "--onnx={onnx}")
    assert milliseconds(inside, file) == 17


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (python("print('fast')"), "its last line is 'fast', not the milliseconds of a pass"),
        (python(""), "its last line is ''"),
        (python("print('nan')"), "its last line is 'nan'"),
        (python("print(-1)"), "its last line is '-1'"),
        (python("print(0)"), "its last line is '0'"),
        (python("print('1e999')"), "its last line is '1e999'"),
        (python("import sys; sys.exit('no such op')"), "exit code 1: no such op"),
        ("no_such_tool {onnx}", "No such file or directory: 'no_such_tool'"),
    ],
)
def test_a_tool_that_gives_no_time(given: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        milliseconds(given, tmp_path / "a.onnx")
    assert reason in str(error.value)
    assert str(error.value).startswith("latency command ")


def test_a_tool_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "TIMEOUT_S", 0.2)
    with pytest.raises(InputError, match=r"no answer for 0\.2 s"):
        milliseconds(python("import time; time.sleep(60)"), tmp_path / "a.onnx")
