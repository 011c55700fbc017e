"""What a trial reports to the driver: one value an epoch, and one at its end."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

# A fresh worker's first result; the metrics are there because Tune asks for them in every result.
READY = {"ready": True, "epoch": 0, "end": "", "done": False, "val_acc": 0.0, "val_loss": 1e9}

# A search compares values of ended trials: one that failed is worse than any that did not.
WORST = {"val_acc": 0.0, "val_loss": 1e9}


def ready_first(step: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    """Let a trainable's ``step`` answer ``READY`` once in its process, before it trains."""

    @functools.wraps(step)
    def wrapped(self: Any) -> dict[str, Any]:
        if not getattr(self, "is_ready", False):
            self.is_ready = True
            return dict(READY)
        return step(self)

    return wrapped
