"""The report of searches that were replayed: medians with intervals, and ratios of compute.

    python benchmarks/search_quality.py report --out quality --csv regrets.csv --plot regrets.html

An interval is the middle 95 % of medians over repeats that are drawn again with replacement.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Rows: TypeAlias = list[dict[str, Any]]
Array: TypeAlias = NDArray[np.float64]

DRAWS = 2000
SHOWN = (20, 40, 60, 100, 150, 200)
OURS, PEERS = "additive", ("stock", "tpe", "random")


def curves(rows: Rows) -> tuple[list[int], Array, Array]:
    """Return the numbers of trials, and hours and regrets, [repeats, numbers], of one method."""
    checks = [t for t in rows[0]["trials"] if all(t in row["trials"] for row in rows)]

    def column(name: str) -> Array:
        return np.array([[row[name][row["trials"].index(t)] for t in checks] for row in rows])

    return checks, column("hours"), column("regret")


def resampled(count: int, seed: int = 0) -> NDArray[np.int64]:
    """Return repeats drawn with replacement, [draws, count]."""
    return np.random.default_rng(seed).integers(0, count, (DRAWS, count))


def medians(values: Array, seed: int = 0) -> tuple[Array, Array, Array]:
    """Return medians over repeats and their interval, each [numbers].

    >>> low, middle, high = (float(part[0]) for part in medians(np.array([[1.0], [2.0], [9.0]])))
    >>> low, middle, high
    (1.0, 2.0, 9.0)
    """
    drawn = np.median(values[resampled(len(values), seed)], axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return low, np.median(values, axis=0), high


def hours_to(regret: float, hours: Array, regrets: Array) -> float:
    """Return the hours at which a falling curve first reaches a regret; infinite if it does not.

    >>> hours_to(1.5, np.array([1.0, 3.0]), np.array([2.0, 1.0]))
    2.0
    """
    lowest = np.minimum.accumulate(regrets)
    if lowest[-1] > regret:
        return float("inf")
    at = int(np.argmax(lowest <= regret))
    if at == 0:
        return float(hours[0])
    share = (lowest[at - 1] - regret) / (lowest[at - 1] - lowest[at])
    return float(hours[at - 1] + share * (hours[at] - hours[at - 1]))


def compute_ratio(ours: Rows, peer: Rows) -> tuple[float, float, float]:
    """Return the share of a peer's hours that ours needs to the peer's last median regret.

    With its interval: in each draw the repeats of both are drawn again.
    """
    _, our_hours, our_regrets = curves(ours)
    _, peer_hours, peer_regrets = curves(peer)

    def ratio(mine: NDArray[np.int64], theirs: NDArray[np.int64]) -> float:
        target = float(np.median(peer_regrets[theirs, -1]))
        took = float(np.median(peer_hours[theirs, -1]))
        hours, regrets = (np.median(v[mine], axis=0) for v in (our_hours, our_regrets))
        return hours_to(target, hours, regrets) / took

    draws = zip(resampled(len(ours), 1), resampled(len(peer), 2), strict=True)
    found = sorted(ratio(mine, theirs) for mine, theirs in draws)
    whole = ratio(np.arange(len(ours)), np.arange(len(peer)))
    return found[int(0.025 * DRAWS)], whole, found[int(0.975 * DRAWS) - 1]


def report(rows: Rows) -> None:
    """Print median regrets, and what ours takes to the regret of others."""
    for table, workers in sorted({(row["table"], row["workers"]) for row in rows}):
        part = [r for r in rows if (r["table"], r["workers"]) == (table, workers)]
        by = {m: [r for r in part if r["method"] == m] for m in sorted({r["method"] for r in part})}
        print(f"\n{table}, {workers} workers: median regret (95 %) after trials")
        for method, own in by.items():
            checks, _, regrets = curves(own)
            low, middle, high = medians(regrets)
            cells = [
                f"{t}: {middle[i]:.2f} ({low[i]:.2f}–{high[i]:.2f})"
                for i, t in enumerate(checks)
                if t in SHOWN or t == checks[-1]
            ]
            failed = np.mean([row["failed"] for row in own])
            print(f"  {method:12} ({len(own)}) {'  '.join(cells)}  failed {failed:.1f}")
        for peer in PEERS if OURS in by else ():
            if (
                peer in by and np.median(curves(by[peer])[2][:, 0]) > 0
            ):  # there is something to find
                low_, whole, high_ = compute_ratio(by[OURS], by[peer])
                print(
                    f"  compute to the last median regret of {peer}: {whole:.3f} of its own "
                    f"({low_:.3f}–{high_:.3f})"
                )


def write_csv(rows: Rows, path: Path) -> None:
    """Write a line for each repeat and number of trials."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["table", "workers", "method", "seed", "trials", "hours", "regret"])
        for row in rows:
            names = (row["table"], row["workers"], row["method"], row["seed"])
            for found in zip(row["trials"], row["hours"], row["regret"], strict=True):
                writer.writerow([*names, *found])


def write_plot(rows: Rows, path: Path) -> None:
    """Write a page with median regret against trials and hours; needs plotly."""
    from plotly.graph_objects import Figure, Scatter
    from plotly.subplots import make_subplots

    keys: Sequence[tuple[str, int]] = sorted({(row["table"], row["workers"]) for row in rows})
    titles = [f"{t}, {w} workers, by {x}" for t, w in keys for x in ("trials", "hours")]
    figure: Figure = make_subplots(len(keys), 2, subplot_titles=titles)
    for line, key in enumerate(keys, 1):
        part = [row for row in rows if (row["table"], row["workers"]) == key]
        for method in sorted({row["method"] for row in part}):
            checks, hours, regrets = curves([row for row in part if row["method"] == method])
            middle = np.median(regrets, axis=0)
            for column, x in enumerate((checks, np.median(hours, axis=0)), 1):
                figure.add_trace(Scatter(x=x, y=middle, name=f"{method}, {key[0]}"), line, column)
    figure.write_html(path)
