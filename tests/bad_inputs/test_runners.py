"""A few of the inputs through ``runners/*.py``, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import check_line, listing

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "--space", "digits_se", "--trials", "nan"],
        ["search", "--space", "digits_se", "--storage", "mysql://me:secret@127.0.0.1:1/db"],
        ["search", "--space", b"\xff.json"],
        ["materialize", "se_resnet50_r\uff11\uff16", "--out", "model.onnx"],
        ["clean", "--yse"],
    ],
    ids=["number", "storage", "bytes", "name", "clean"],
)
def test_one_line_of_a_process(arguments: list[str | bytes], tmp_path: Path) -> None:
    script = ROOT / "runners" / f"{os.fsdecode(arguments[0])}.py"
    done = subprocess.run(
        [sys.executable, str(script), *arguments[1:]],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path)},
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith("error: ")
    check_line(done.stderr.removesuffix("\n"))
    assert listing(tmp_path) == {}
