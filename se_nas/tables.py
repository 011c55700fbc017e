"""Tables of ``se-nas materialize``: a network by stage, and the paper's beside our figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any, cast

from rich.table import Table

from se_nas.arch import SE, Architecture
from se_nas.cost import cost, parts
from se_nas.errors import InputError
from se_nas.names import se_name


def summary(
    architecture: Architecture,
    *,
    input_size: int | tuple[int, int] | None = None,
    in_channels: int = 3,
    num_classes: int = 1000,
) -> Table:
    """Output shape, parameters, multiply-adds and SE setting of every stage."""
    sizes = {"input_size": input_size, "in_channels": in_channels, "num_classes": num_classes}
    stages: dict[str, SE | None] = {
        architecture.trunk.stage_name(number): se for number, se in architecture.stages.items()
    }
    table = _table(str(architecture))
    for column in ("part", "output", "params", "MMACs", "SE"):
        table.add_column(column, justify="right" if column in ("params", "MMACs") else "left")
    for name, tally in parts(architecture, **sizes).items():  # type: ignore[arg-type]
        se = stages.get(name)
        shape = " × ".join(map(str, tally.shape if name != "head" else tally.shape[:1]))
        setting = "-" if se is None else se_name(se)
        table.add_row(name, shape, f"{tally.params:,}", f"{tally.macs / 1e6:,.2f}", setting)
    total = cost(architecture, **sizes)  # type: ignore[arg-type]
    table.add_section()
    table.add_row("total", "", f"{total.params:,}", f"{total.macs / 1e6:,.2f}", "")
    return table


def paper_table(number: int) -> Table:
    """Table ``number`` of the paper, our figures beside its own.

    Raises:
        InputError: the zoo has no such table.
    """
    from se_nas import zoo

    rows_of = getattr(zoo, "table", None)
    if rows_of is None:
        raise InputError("this version of se_nas.zoo has no tables of the paper")
    rows = [_cells(row) for row in rows_of(number)]
    table = _table(f"Table {number} of the paper")
    for column in rows[0]:
        text = all(isinstance(row[column], str) for row in rows)
        table.add_column(column.replace("_", " "), justify="left" if text else "right")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, pad_edge=False)


def _cells(row: Any) -> dict[str, Any]:
    if is_dataclass(row) and not isinstance(row, type):
        return asdict(row)
    if hasattr(row, "_asdict"):
        return dict(row._asdict())
    assert isinstance(row, Mapping), "a row is a dataclass, a named tuple or a mapping"
    return dict(cast("Mapping[str, Any]", row))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        if isinstance(value, Sequence) and not isinstance(value, str):
            return " / ".join(_cell(item) for item in value)
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
