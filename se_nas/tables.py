"""Tables of ``se-nas materialize``: a network by stage, and the paper's beside our figures."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from se_nas import zoo
from se_nas.arch import SE, Architecture
from se_nas.cost import cost, parts
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


def paper_table(number: int) -> tuple[Table, list[str]]:
    """Table ``number`` of the paper: our figures, the paper's, and the differences; notes below.

    Raises:
        InputError: the zoo has no such table.
    """
    rows = zoo.table(number)
    table = _table(f"Table {number} of the paper (params in millions, MACs in 10⁹; ours / printed)")
    table.add_column("name", overflow="fold")
    for column in ("params", "paper", "diff", "GMACs", "paper", "diff", "top-1/5 err %"):
        table.add_column(column, justify="right", no_wrap=True)
    notes: list[str] = []
    for row in rows:
        mark = ""
        if row.note:
            if row.note not in notes:
                notes.append(row.note)
            mark = f" [{notes.index(row.note) + 1}]"
        table.add_row(
            escape(row.name + mark),
            *_figures(row.params, row.printed_params, 1e6, 1),
            *_figures(row.macs, row.printed_macs, 1e9, 2),
            "/".join("-" if e is None else f"{e:.2f}" for e in (row.top1_pct, row.top5_pct)),
        )
    return table, [f"[{i + 1}] {note}" for i, note in enumerate(notes)]


def _figures(ours: int, printed: float | None, unit: float, digits: int) -> tuple[str, str, str]:
    """Ours with two digits more than the paper prints, the paper's, and the difference."""
    mine = f"{ours / unit:.{digits + 2}f}"
    if printed is None:
        return mine, "-", "-"
    return mine, f"{printed / unit:.{digits}f}", f"{(ours - printed) / unit:+.{digits + 2}f}"


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, pad_edge=False)
