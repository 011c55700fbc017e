"""Prices with the predicted latency in them, and the table behind them in the run directory."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console

from se_nas.architecture.architecture import Architecture
from se_nas.console import print_line
from se_nas.cost.network_cost import Price
from se_nas.errors import InputError
from se_nas.latency.settings import LatencySettings, Signature, uses_latency
from se_nas.latency.table import LatencyTable, Measurements, TimedCost
from se_nas.search.config import SearchConfig
from se_nas.search.run_dir.directory import LATENCY, RunDirectory, display_path
from se_nas.space.space import Space


@dataclass(frozen=True)
class TimedPrice:
    """A price with the predicted latency in it: constraints and objectives see it before training.

    Attributes:
        price: the cost by arithmetic.
        identity: the device, its versions and the settings that the table holds for.
        held_out: the table's error, as ``measure_missing.report`` has it.
    """

    price: Price
    table: LatencyTable
    settings: LatencySettings
    identity: dict[str, Any]
    held_out: dict[str, Any]

    def __call__(self, architecture: Architecture) -> TimedCost:
        return self.table.timed(self.price(architecture), architecture)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``latency.json``: settings, device, error, and the whole table."""
        return {
            "settings": asdict(self.settings),
            "signature": asdict(self.table.signature),
            "identity": self.identity,
            "factor": self.table.factor,
            "held_out": self.held_out,
            "measurements": self.table.measurements.to_dict(),
        }


def load_table(price: Price, settings: LatencySettings, run: RunDirectory) -> TimedPrice | None:
    """Read the table that the run has already: its trials are held against one table.

    Raises:
        InputError: its file cannot be read.
    """
    path = run.path / LATENCY
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        signature = Signature(**data["signature"])
        table = LatencyTable(Measurements.from_dict(data["measurements"]), signature)
        return TimedPrice(price, table, settings, data["identity"], data["held_out"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"{display_path(path)!r} holds no table of latencies; without it the resumed run "
            "measures a new one"
        ) from None


def recorded_price(price: Price, space: Space, config: SearchConfig, run: RunDirectory) -> Price:
    """Return the price that a run had, without measuring anything.

    Raises:
        InputError: the space asks for a latency and the run's table is gone or cannot be read.
    """
    if not uses_latency(space):
        return price
    found = load_table(price, config.latency, run)
    if found is None:
        path = run.path / LATENCY
        raise InputError(f"{path} is missing: the latencies of this run are not known without it")
    return found


def print_latency(console: Console, text: str) -> None:
    """Print a line of the search about latency."""
    print_line(console, f"latency    {text}")


def describe_table(price: TimedPrice) -> str:
    """Return one line on the table and its error."""
    error = price.held_out
    head = f"table of {len(price.table.measurements.blocks)} blocks"
    count = len(error["networks"])
    if not count:
        return f"{head}; no network was left to test it with"
    tau = error["kendall_tau"]
    order = "" if tau is None else f", Kendall's τ {tau:.2f}"
    return (
        f"{head}; error on {count} held-out networks: median {100 * error['median_error']:.1f} %, "
        f"at most {100 * error['max_error']:.1f} %{order} ({LATENCY})"
    )
