"""The one door between the words of others and the terminal.

Names of files, classes and runs, and messages of exceptions reach Rich as ``Text``, never as a
string: no markup, no emoji codes, no highlighting, and no control characters.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from se_nas.texts import printable


def make_console(file: IO[str] | None = None, *, quiet: bool = False) -> Console:
    """Return a console for ``file``, standard output if not given, that prints plain text."""
    return Console(file=file, quiet=quiet, markup=False, emoji=False, highlight=False)


def literal(text: object, *, one_line: bool = False) -> Text:
    """Return a text as Rich shows it as it is; with ``one_line`` cut at the terminal's width."""
    if one_line:
        return Text(printable(text), overflow="ellipsis", no_wrap=True)
    return Text(printable(text))


def print_line(console: Console, text: object, *, end: str = "\n") -> None:
    """Print one line, neither wrapped nor cut: what is copied from it is whole."""
    console.print(literal(text), soft_wrap=True, end=end)


def print_lines(console: Console, lines: Iterable[object]) -> None:
    """Print each of ``lines`` by ``print_line``."""
    for line in lines:
        print_line(console, line)


def print_table(console: Console, table: RenderableType) -> None:
    """Print a table of cells that ``add_row`` wrote, or a group of such."""
    console.print(table)


def add_row(table: Table, *cells: object, style: str = "") -> None:
    """Add a row of texts to a table; an ``ArchitectureCell`` stays one."""
    given = (cell if isinstance(cell, ArchitectureCell) else literal(cell) for cell in cells)
    table.add_row(*given, style=style)


def python_text(text: object) -> str:
    r"""Return a text as Python code: in double quotes where that needs no escapes.

    >>> print(python_text("a b"), python_text('a"\n'))
    "a b" 'a"\n'
    """
    text = str(text)
    code = repr(text)
    return f'"{text}"' if code == f"'{text}'" and '"' not in text else code


def shell_word(text: object) -> str:
    r"""Return a text as one word of a shell's command line.

    >>> print(shell_word("runs/a"), shell_word("exp [old]"), shell_word("a\n"))
    runs/a 'exp [old]' $'a\n'
    """
    text = str(text)
    if printable(text) == text:
        return shlex.quote(text)
    # Bash and zsh read escapes in $'…' as bytes: those of the file's name, though it be no UTF-8.
    return "$'" + "".join(map(_ansi_c, text)) + "'"


def _ansi_c(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if printable(character) == character:
        return character
    if character == "\n":
        return "\\n"
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def duration(seconds: float) -> str:
    """Return a time in words.

    >>> duration(3725.2), duration(61), duration(2)
    ('1 h 02 min', '1 min 01 s', '2 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


@dataclass(frozen=True)
class NetworkRow:
    """A row of ``print_networks``.

    Attributes:
        label: short: a role, or a number.
        name: of the architecture.
        cells: one for each column.
        best: whether it is printed in bold.
    """

    label: str
    name: str
    cells: Sequence[str]
    best: bool = False


def print_networks(
    console: Console, title: str, columns: Sequence[str], rows: Sequence[NetworkRow]
) -> None:
    """Print networks with their values, as a table where there is room for one.

    Names are whole and can be copied: where the longest does not fit into a column each has a line
    below the table, and where the values have no room either each network has lines of its own.
    """
    print_line(console, title)
    values = [
        max(cell_len(head), *(cell_len(row.cells[i]) for row in rows)) if rows else cell_len(head)
        for i, head in enumerate(columns)
    ]
    label = max((cell_len(row.label) for row in rows), default=0)
    needed = _table_width([label, *values])
    names = max((cell_len(row.name) for row in rows), default=0)
    if needed > console.width:
        for row in rows:
            told = " · ".join(map(" ".join, zip(columns, row.cells, strict=True)))
            print_line(console, f"{row.label}  {row.name}")
            console.print(Padding(literal(told), (0, 0, 0, 2)))
        return
    named = _table_width([label, names, *values]) <= console.width
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=True)
    table.add_column("", no_wrap=True)
    if named:
        table.add_column("architecture", no_wrap=True)
    for head in columns:
        table.add_column(literal(head), justify="right", no_wrap=True)
    for row in rows:
        middle = [row.name] if named else []
        add_row(table, row.label, *middle, *row.cells, style="bold" if row.best else "")
    console.print(table)
    if not named:
        print_lines(console, (f" {row.label:{label}}  {row.name}" for row in rows))


def _table_width(columns: Sequence[int]) -> int:
    """Return the width of a table: a space on both sides of each column, and one between them."""
    return sum(columns) + 3 * len(columns) - 1


class ArchitectureCell:
    """A cell that breaks behind ``_`` and ``-``; a word longer than its column is folded."""

    def __init__(self, text: object) -> None:
        self.text = printable(text)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        longest = max(map(len, _words(self.text)), default=0)
        return Measurement(longest, len(self.text)).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text("\n".join(wrap_name(self.text, options.max_width)), overflow="fold")


def wrap_name(name: str, width: int) -> list[str]:
    """Break ``name`` into lines of at most ``width`` characters, as far as its words allow.

    >>> wrap_name("se_resnet8_small-width8_s2_r4_pre", 16)
    ['se_resnet8_', 'small-width8_s2_', 'r4_pre']
    """
    found = [""]
    for word in _words(name):
        if found[-1] and len(found[-1] + word) > width:
            found.append("")
        found[-1] += word
    return found


def _words(name: str) -> list[str]:
    return re.findall(r"[^_-]+[_-]?|[_-]", name)
