"""``--dry-run``: the space's size, its feasible share, a few random architectures."""

from __future__ import annotations

import random

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from se_nas.console import ArchitectureCell
from se_nas.latency.settings import uses_latency
from se_nas.search.checked_data import load_checked_data
from se_nas.search.config import SearchConfig
from se_nas.search.plan import price_on
from se_nas.search.results.summary import small_images
from se_nas.search.study.feasibility import check_feasible
from se_nas.space.space import Space

SAMPLES = 8


def show(space: Space, config: SearchConfig, console: Console) -> None:
    """Print a space's size, feasible share and a few architectures; train nothing."""
    images = load_checked_data(config, console)
    price = price_on(images)
    share = check_feasible(space, price, images, config.seed)
    console.print(
        f"space  {space.name} v{space.version} ({space.hash}): {space.size:,} points",
        soft_wrap=True,
    )
    console.print(f"data   {images.summary()}", soft_wrap=True)
    for note in small_images(space, images):
        console.print(note, soft_wrap=True)
    limits = ", ".join(map(str, space.constraints)) or "none"
    console.print(
        f"constraints  {limits}: {100 * share:.1f} % of random draws pass", soft_wrap=True
    )
    if uses_latency(space):
        console.print("latency_ms is measured at the start of a search: not counted here")
    table = Table(title=f"{SAMPLES} random architectures", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("architecture")
    for column in ("id", "params", "MMACs", "feasible"):
        table.add_column(column, justify="right", no_wrap=True)
    rng = random.Random(config.seed)
    for _ in range(SAMPLES):
        architecture = space.sample(rng)
        cost = price(architecture)
        broken = [n for n, v in space.violations(vars(cost)).items() if v > 0]
        table.add_row(
            ArchitectureCell(architecture),
            architecture.id[:8],
            f"{cost.params:,}",
            f"{cost.macs / 1e6:,.2f}",
            "no: " + ", ".join(broken) if broken else "yes",
        )
    console.print(table)
