"""The finals: the best race with several seeds, then controls are trained with as many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from se_nas.architecture.architecture import Architecture
from se_nas.cost.network_cost import Price
from se_nas.search.finals.networks import FinalNetwork, validated, winner
from se_nas.search.finals.racing import Budget, worse
from se_nas.search.worker.retrain import RetrainResult
from se_nas.space.objectives import Objective

Train: TypeAlias = Callable[[Sequence[tuple[Architecture, int]], str], list[RetrainResult]]
Controls: TypeAlias = Callable[[Architecture], Sequence[tuple[str, Architecture]]]


def retrain(
    best: Sequence[tuple[Architecture, float]],
    controls: Controls,
    train: Train,
    price: Price,
    objective: Objective,
    budget: Budget,
    first_seed: int = 0,
) -> list[FinalNetwork]:
    """Train the best until one wins, then the controls; all with the same seeds.

    Args:
        best: architectures and their objective in the search, best first.
        controls: gives roles and networks that the winner is compared with.
        train: trains (architecture, seed) pairs; a ``Retrainer``'s in a search.
        price: the cost of an architecture on the search's data.
        objective: by which the winner is chosen.

    Returns:
        The best and the controls.
    """
    rows = [
        FinalNetwork((f"best {i}",), architecture, price(architecture), value, ())
        for i, (architecture, value) in enumerate(best, 1)
    ]
    most = max(len(controls(row.architecture)) for row in rows)
    alive = list(range(len(rows)))
    while more := budget.next_round(len(alive), _seeds(rows), _spent(rows), most):
        first = first_seed + _seeds(rows)
        trained = _trained([rows[i] for i in alive], range(first, first + more), train, "the best")
        for i, row in zip(alive, trained, strict=True):
            rows[i] = row
        dropped = worse({i: _values(rows[i], objective) for i in alive})
        alive = [i for i in alive if i not in dropped]
        if budget.runs is not None and len(alive) == 1:
            break
    chosen = winner(rows, objective)
    at = next(i for i, row in enumerate(rows) if row is chosen)
    others, roles = _apart(controls(chosen.architecture), rows)
    for i, role in roles:
        rows[i] = replace(rows[i], roles=(*rows[i].roles, role))
    last = budget.last_round(len(chosen.runs), _spent(rows), len(others))
    begin, end = first_seed + len(chosen.runs), first_seed + last
    if begin < end:
        [rows[at]] = _trained([rows[at]], range(begin, end), train, "the winner")
    for i, _ in roles:  # one that was dropped: the verdict is about it
        missing = range(first_seed + len(rows[i].runs), end)
        [rows[i]] = _trained([rows[i]], missing, train, "the controls")
    plain = [FinalNetwork((role,), a, price(a), None, ()) for role, a in others]
    return rows + _trained(plain, range(first_seed, end), train, "the controls")


def _apart(
    controls: Sequence[tuple[str, Architecture]], rows: Sequence[FinalNetwork]
) -> tuple[list[tuple[str, Architecture]], list[tuple[int, str]]]:
    """Return controls to be trained, and rows and roles of those that are among the best.

    Two controls that are one network are trained once, in the first one's role.
    """
    ids = [row.architecture.id for row in rows]
    others: list[tuple[str, Architecture]] = []
    roles: list[tuple[int, str]] = []
    for role, architecture in controls:
        if architecture.id in ids:
            roles.append((ids.index(architecture.id), role))
        elif architecture.id not in [known.id for _, known in others]:
            others.append((role, architecture))
    return others, roles


def _trained(
    rows: Sequence[FinalNetwork], seeds: Sequence[int], train: Train, what: str
) -> list[FinalNetwork]:
    """Return the networks with a run more for each of ``seeds``."""
    if not rows or not seeds:
        return list(rows)
    runs = iter(train([(row.architecture, seed) for row in rows for seed in seeds], what))
    return [replace(row, runs=(*row.runs, *(next(runs) for _ in seeds))) for row in rows]


def _values(row: FinalNetwork, objective: Objective) -> list[float | None]:
    """Return the objective by seed, larger for the better; None where a run failed."""
    sign = 1 if objective.direction == "maximize" else -1
    metric = validated(objective)
    return [sign * run.value(metric) if run.end == "complete" else None for run in row.runs]


def _seeds(rows: Sequence[FinalNetwork]) -> int:
    return max(len(row.runs) for row in rows)


def _spent(rows: Sequence[FinalNetwork]) -> int:
    return sum(len(row.runs) for row in rows)
