"""The live line."""

from __future__ import annotations

import io
import time
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from se_nas.search.progress import Progress
from se_nas.search.proposals import Counts


def test_the_time_left_counts_the_trials_of_this_driver_only() -> None:
    counts = Counts(accepted=90, ends={"complete": 90})
    proposals = SimpleNamespace(counts=counts, trials=100)
    searcher: Any = SimpleNamespace(proposals=proposals, live={})
    progress = Progress(Console(file=io.StringIO()), searcher, "val_acc", 1)
    assert " left" not in progress.line()  # nothing ended yet
    counts.ends["complete"] += 2
    progress.started = time.monotonic() - 60  # 30 s each, and 8 to go
    assert "4 min 00 s left" in progress.line()
