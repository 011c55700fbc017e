"""Python files that users write."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from se_nas.user_files import read_python_file


def test_a_function_of_a_file_may_import_what_is_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "beside_the_late_import.py").write_text("VALUE = 3")
    file = tmp_path / "mine.py"
    file.write_text("def late():\n    from beside_the_late_import import VALUE\n    return VALUE\n")
    for _ in range(2):
        assert read_python_file(file, "data")["late"]() == 3
    assert sys.path.count(str(tmp_path)) == 1
