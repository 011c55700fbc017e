"""Names in tables break between their words."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.table import Table

from se_nas.console import ArchitectureCell, wrap_name

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
