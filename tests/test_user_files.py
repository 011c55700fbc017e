"""What a user's file raises is one line that says where."""

from __future__ import annotations

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
