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
    tmp_path: Path,
) -> None:
    before = list(sys.path)
    (tmp_path / "beside_the_late_import.py").write_text("VALUE = 3")
    file = tmp_path / "mine.py"
    file.write_text("def late():\n    from beside_the_late_import import VALUE\n    return VALUE\n")
    for _ in range(2):
        assert read_python_file(file, "data")["late"]() == 3
    assert sys.path == before


def test_two_files_have_each_their_own_neighbour_of_one_name(tmp_path: Path) -> None:
    for number, folder in enumerate(("first of all", "second")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "namesake.py").write_text(f"VALUE = {number}")
        (tmp_path / folder / "mine.py").write_text("from namesake import VALUE")
    for number, folder in ((0, "first of all"), (1, "second"), (0, "first of all")):
        assert read_python_file(tmp_path / folder / "mine.py", "space")["VALUE"] == number


def test_a_neighbour_may_be_a_package_with_modules(tmp_path: Path) -> None:
    package = tmp_path / "my_package_of_widths"
    package.mkdir()
    (package / "__init__.py").write_text("from my_package_of_widths.inner import VALUE")
    (package / "inner.py").write_text("VALUE = 5")
    (tmp_path / "mine.py").write_text("from my_package_of_widths import VALUE")
    assert read_python_file(tmp_path / "mine.py", "space")["VALUE"] == 5


@pytest.mark.parametrize("name", ["sndhdr", "this", "torch", "se_nas"])
def test_a_file_does_not_stand_in_for_a_module_of_pythons_or_ours(
    name: str, tmp_path: Path
) -> None:
    file = tmp_path / f"{name}.py"
    file.write_text(f"import importlib.util\nWHERE = importlib.util.find_spec({name!r}).origin\n")
    assert not read_python_file(file, "space")["WHERE"].startswith(str(tmp_path))


def test_a_folder_beside_a_file_is_no_module(tmp_path: Path) -> None:
    (tmp_path / "pictures_of_mine").mkdir()
    (tmp_path / "mine.py").write_text("import pictures_of_mine")
    with pytest.raises(InputError, match="line 1: ModuleNotFoundError"):
        read_python_file(tmp_path / "mine.py", "space")


def test_the_home_folder_is_meant_by_its_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.py").write_text("VALUE = 7")
    assert read_python_file(Path("~/mine.py"), "data")["VALUE"] == 7
