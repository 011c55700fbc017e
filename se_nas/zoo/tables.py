"""Tables of ``se-nas materialize``: a network by stage, and the paper's figures beside ours."""

from __future__ import annotations

from typing import Literal

from rich.console import Group
from rich.table import Table

from se_nas.architecture.architecture import Architecture
from se_nas.architecture.names import se_name
from se_nas.console import ArchitectureCell, add_row, literal
from se_nas.cost.network_cost import cost, parts
from se_nas.se import SE
from se_nas.zoo import zoo

# Characters from which a table has room for more than its narrowest form.
WIDE = 100


def summary(
    architecture: Architecture,
    *,
    input_size: int | tuple[int, int] | None = None,
    in_channels: int = 3,
    num_classes: int = 1000,
) -> Group:
    """Show the name, and output shape, parameters, multiply-adds and SE of every stage."""
    sizes = {"input_size": input_size, "in_channels": in_channels, "num_classes": num_classes}
    stages: dict[str, SE | None] = {
        architecture.trunk.stage_name(number): se for number, se in architecture.stages.items()
    }
    table = Table(box=None, pad_edge=False)
    for column in ("part", "output", "params", "MMACs", "SE"):
        table.add_column(column, justify="right" if column in ("params", "MMACs") else "left")
    for name, tally in parts(architecture, **sizes).items():  # type: ignore[arg-type]
        se = stages.get(name)
        shape = " × ".join(map(str, tally.shape if name != "head" else tally.shape[:1]))
        setting = "-" if se is None else se_name(se)
        add_row(table, name, shape, f"{tally.params:,}", f"{tally.macs / 1e6:,.2f}", setting)
    total = cost(architecture, **sizes)  # type: ignore[arg-type]
    table.add_section()
    add_row(table, "total", "", f"{total.params:,}", f"{total.macs / 1e6:,.2f}", "")
    return Group(ArchitectureCell(architecture), table)


def paper_table(number: int, width: int = 80) -> Group:
    """Show Table ``number`` of the paper: our figures, the printed ones, differences, notes.

    Columns in which the paper has nothing are left out, and so are, in a narrow terminal, the
    errors that it quotes.

    Raises:
        InputError: the zoo has no such table.
    """
    rows = zoo.table(number)
    classes, sizes = rows[0].num_classes, {row.input_size for row in rows}
    mega = max(row.macs for row in rows) < 1e9
    digits, unit = (1, 1e6) if mega else (3, 1e9)
    printed_digits = 0 if mega else 2
    columns: dict[str, list[str]] = {}
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    marks = [f" [{notes.index(row.note) + 1}]" if row.note else "" for row in rows]
    columns["name"] = [row.name + mark for row, mark in zip(rows, marks, strict=True)]
    if len(sizes) > 1:
        columns["px"] = [str(row.input_size) for row in rows]
    columns["params"] = [f"{row.params / 1e6:.3f}" for row in rows]
    if any(row.printed_params for row in rows):
        columns["ref"] = [_shown(row.printed_params, 1e6, 1) for row in rows]
        columns["diff"] = [_off(row.params_difference, 1e6, "+.3f") for row in rows]
    columns["MMACs" if mega else "GMACs"] = [f"{row.macs / unit:.{digits}f}" for row in rows]
    if any(row.printed_macs for row in rows):
        columns["ref "] = [_shown(row.printed_macs, unit, printed_digits) for row in rows]
        columns["diff "] = [_off(row.macs_difference, 1, "+.2%") for row in rows]
    columns["err %"] = [_errors(row.top1_pct, row.top5_pct) for row in rows]
    if width >= WIDE and any(row.original_top1_pct for row in rows):
        columns["quoted"] = [_errors(row.original_top1_pct, row.original_top5_pct) for row in rows]
    table = Table(box=None, pad_edge=False, collapse_padding=width < WIDE)
    for column in columns:
        justify: Literal["left", "right"] = "left" if column == "name" else "right"
        overflow: Literal["fold", "ellipsis"] = "fold" if column == "name" else "ellipsis"
        table.add_column(column, justify=justify, overflow=overflow, no_wrap=column != "name")
    for cells in zip(*columns.values(), strict=True):
        add_row(table, *cells)
    title = f"Table {number} of the SENet paper: {classes} classes"
    if len(sizes) == 1:
        title += f", {rows[0].input_size} px"
    ref = "; ref: as printed there" if {"ref", "ref "} & set(columns) else ""
    legend = f"params in millions{ref}; err %: the paper's top-1/top-5"
    if "quoted" in columns:
        legend += "; quoted: the network's own paper's"
    texts = [literal(f"[{i + 1}] {note}") for i, note in enumerate(notes)]
    return Group(literal(title), literal(legend), table, *texts)


def _shown(printed: float | None, unit: float, digits: int) -> str:
    return "-" if printed is None else f"{printed / unit:.{digits}f}"


def _off(difference: float | None, unit: float, form: str) -> str:
    return "-" if difference is None else format(difference / unit, form)


def _errors(top1_pct: float | None, top5_pct: float | None) -> str:
    if top1_pct is None and top5_pct is None:
        return "-"
    return "/".join("-" if error is None else f"{error:.2f}" for error in (top1_pct, top5_pct))
