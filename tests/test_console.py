"""What is printed is what was meant: names whole, and the words of others as they are."""

from __future__ import annotations

import ast
import io
import os
import re
import subprocess
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

import se_nas
from se_nas.console import (
    ArchitectureCell,
    NetworkRow,
    add_row,
    print_line,
    print_networks,
    print_table,
    python_text,
    shell_word,
    wrap_name,
)
from se_nas.texts import printable

NAME = "se_resnet8_small-width8_s2_r2_identity_max_2sigmoid_s4_r8_pre"


@pytest.mark.parametrize("width", [8, 9, 16, 20, 80])
def test_lines_are_short_enough_and_give_the_name(width: int) -> None:
    found = wrap_name(NAME, width)
    assert "".join(found) == NAME
    assert all(line[-1] in "_-" for line in found[:-1])
    assert all(len(line) <= max(width, len("identity_")) for line in found)


def test_a_narrow_table_breaks_between_words_and_keeps_all_of_them() -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("architecture")
    table.add_column("value", no_wrap=True)
    table.add_row(ArchitectureCell(NAME), "a value that takes most of the room")
    console = Console(width=56)
    with console.capture() as capture:
        console.print(table)
    cells = [line[:20].split()[0] for line in capture.get().splitlines()[1:]]
    assert "".join(cells) == NAME
    assert len(cells) > 2
    assert all(cell[-1] in "_-" for cell in cells[:-1])


def test_a_word_that_is_longer_than_its_column_is_folded() -> None:
    console = Console(width=6)
    with console.capture() as capture:
        console.print(ArchitectureCell("se_mobilenet_v1"))
    assert "".join(line.strip() for line in capture.get().splitlines()) == "se_mobilenet_v1"


FOREIGN = (
    "exp [old]",
    "m[/b]x",
    "[bold red]x",
    ":smile:",
    "http://a.b/1.5",
    "\x1b[31m",
    "a\nb\udcff",
)


@pytest.mark.parametrize("text", FOREIGN)
@pytest.mark.parametrize("terminal", [False, True])
def test_the_words_of_others_are_printed_as_they_are_on_any_console(
    text: str, terminal: bool
) -> None:
    file = io.StringIO()
    any_console = Console(file=file, width=20, force_terminal=terminal)
    long = f"the folder {text} " + "word " * 20
    print_line(any_console, long)
    print_networks(any_console, text, [], [NetworkRow(text, text, [])])
    table = Table("name", box=None)
    add_row(table, text)
    print_table(any_console, table)
    lines = re.sub(r"\x1b\[[01]m", "", file.getvalue()).splitlines()  # bold headings are ours
    assert lines[:2] == [printable(long), printable(text)]
    assert not any("\x1b" in line for line in lines)
    assert sum(printable(text) in line for line in lines) >= 3


def test_nothing_is_printed_by_another_door() -> None:
    """Rich reads strings as markup: only this module may hand it any."""
    package = Path(se_nas.__file__).parent
    for path in sorted(package.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if path.name == "console.py":
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom):
                taken = {alias.name for alias in node.names}
                assert node.module != "rich.markup", path
                assert not (node.module == "rich.text" and taken), path
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert called != "Console", f"{path}: make_console"
            assert not called.endswith((".add_row", ".from_markup")), f"{path}: add_row(table, …)"
            assert not called.endswith("console.print"), f"{path}: print_line(console, …)"
            assert not any(word.arg in ("markup", "highlight") for word in node.keywords), path


@pytest.mark.parametrize(
    "text",
    [
        "runs/a",
        "exp [old]/a b",
        "it's",
        'say "x"',
        "back\\slash",
        "$HOME `x`",
        "a\nb\x1b",
        "é\udcff",
    ],
)
def test_what_is_to_be_copied_is_read_back_as_it_was(text: str) -> None:
    assert ast.literal_eval(python_text(text)) == text
    word = shell_word(text)
    assert word.isprintable()
    told = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True)
    assert told.stdout == os.fsencode(text)


COLUMNS = ("params", "MMACs", "table ms", "ms", "val %", "test ± spread %")
CELLS = ("12,345,678", "1,234.56", "12.345", "12.345 ± 0.123", "91.20", "90.10 ± 0.20 (1 failed)")


@pytest.mark.parametrize("width", [20, 40, 60, 80, 90, 100, 120, 160, 300])
def test_networks_and_their_values_are_whole_at_every_width(width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    rows = [
        NetworkRow("best 1 = no SE *", NAME, CELLS, best=True),
        NetworkRow("SE r16 (over budget)", "resnet8_small", CELLS),
    ]
    print_networks(console, "a title", COLUMNS, rows)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    together = re.sub(r"\s+", "", text)
    assert NAME in text
    for words in (*COLUMNS, *CELLS, "best 1 = no SE *", "SE r16 (over budget)", "resnet8_small"):
        assert words.replace(" ", "") in together, words
    if width < 300:
        for line in text.splitlines():
            assert len(line) <= width or NAME in line or width < 40, line


def test_a_table_has_all_where_there_is_room() -> None:
    console = Console(file=io.StringIO(), width=80)
    rows = [NetworkRow("1", "resnet8_small", ("1.00",)), NetworkRow("2", NAME, ("12.00",))]
    print_networks(console, "two networks", ("val %",), rows)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[0] == "two networks"
    assert lines[1].split() == ["architecture", "val", "%"]
    assert lines[3].split() == ["1", "resnet8_small", "1.00"]
    assert lines[4].split() == ["2", NAME, "12.00"]
    assert lines[3].rstrip().endswith(" 1.00")
    assert len(lines[3].rstrip()) == len(lines[4].rstrip()), "the numbers end in one column"
