"""Python files that users write."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from se_nas import InputError
from se_nas.user_files import read_python_file


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise ValueError('\\nboom\\nmore')", "line 1: ValueError: boom"),
        ("raise KeyError", "line 1: KeyError: KeyError"),
    ],
)
def test_an_error_has_the_first_line_that_says_something(
    code: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "my.py"
    file.write_text(code)
    with pytest.raises(InputError) as caught:
        read_python_file(file, "space")
    assert str(caught.value).endswith(message)


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
