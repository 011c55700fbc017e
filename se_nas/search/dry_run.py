"""``--dry-run``: the space's size, its feasible share, a few architectures; all that is refused."""

from __future__ import annotations

import random
from collections.abc import Iterator

from rich.console import Console

from se_nas.architecture.architecture import Architecture
from se_nas.console import NetworkRow, print_line, print_lines, print_networks
from se_nas.latency.settings import uses_latency
from se_nas.search.config import SearchConfig
from se_nas.search.plan import Plan
from se_nas.search.results.opening import header, opening
from se_nas.search.study.initial_points import check_enqueued
from se_nas.space.objectives import MEASURED
from se_nas.space.space import Space

SAMPLES = 8
# Draws in a row that show nothing new before the listing ends.
REPEATS = 200


def show(space: Space, config: SearchConfig, console: Console) -> dict[str, object]:
    """Print a space's size, feasible share and a few architectures; train nothing.

    Returns:
        What was printed, as JSON values.

    Raises:
        InputError: what a search refuses before it starts Ray.
    """
    plan = Plan.of(space, config, console=console)
    check_enqueued(space, plan.price, plan.enqueued)
    print_lines(console, opening(space, plan.images))
    limits = ", ".join(str(c) for c in space.constraints if c.quantity not in MEASURED)
    passed = f"{limits}: {100 * plan.feasible_share:.1f} % of random draws pass"
    print_line(console, header("feasible", passed if limits else "no constraint on known costs"))
    if uses_latency(space):
        print_line(
            console,
            header("note", "latency_ms is measured at the start of a search: unknown until then"),
        )
    found = _examples(space, config.seed)
    print_line(console, "")
    print_networks(
        console,
        _title(space, len(found)),
        ("id", "params", "MMACs", "feasible"),
        [_row(i, architecture, plan) for i, architecture in enumerate(found)],
    )
    return {
        "space": space.name,
        "size": space.size,
        "feasible_share": plan.feasible_share,
        "architectures": [_values(architecture, plan) for architecture in found],
    }


def _values(architecture: Architecture, plan: Plan) -> dict[str, object]:
    cost = vars(plan.price(architecture))
    feasible = feasible_in_words(plan.space, cost).partition(":")[0]
    known = {"yes": True, "no": False}
    return {"name": str(architecture), "id": architecture.id, "cost": cost,
            "feasible": known.get(feasible)}  # fmt: skip


def _title(space: Space, count: int) -> str:
    if count == 1:
        return "the only architecture"
    return (
        f"all {count} architectures" if space.size <= SAMPLES else f"{count} random architectures"
    )


def _row(index: int, architecture: Architecture, plan: Plan) -> NetworkRow:
    cost = plan.price(architecture)
    cells = (
        architecture.id[:8],
        f"{cost.params:,}",
        f"{cost.macs / 1e6:,.2f}",
        feasible_in_words(plan.space, vars(cost)),
    )
    return NetworkRow(f"{index + 1}", str(architecture), cells)


def feasible_in_words(space: Space, values: dict[str, float]) -> str:
    """Return whether these costs keep the constraints: yes, no, or what is not measured yet."""
    broken = [name for name, excess in space.violations(values).items() if excess > 0]
    if broken:
        return f"no: {', '.join(broken)}"
    unknown = [str(c) for c in space.constraints if c.quantity not in values]
    return f"unknown: {', '.join(unknown)}" if unknown else "yes"


def _examples(space: Space, seed: int) -> list[Architecture]:
    """Return all networks of a small space, or a few of a large one; none of them twice."""
    found: dict[str, Architecture] = {}
    drawn = _draws(space, seed) if space.size > SAMPLES else space
    for architecture in drawn:
        found.setdefault(architecture.id, architecture)
        if len(found) == SAMPLES:
            break
    return [*found.values()]


def _draws(space: Space, seed: int) -> Iterator[Architecture]:
    rng = random.Random(seed)
    for _ in range(REPEATS):
        yield space.sample(rng)
