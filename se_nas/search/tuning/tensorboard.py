"""``--tensorboard``: every trial a run of TensorBoard, written by the driver.

``tensorboardX`` comes with ``ray[tune]``; only who looks at the files needs ``tensorboard``.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ray import tune

from se_nas.errors import InputError

SCALARS = ("val_acc", "val_loss")


class TensorBoardCallback(tune.Callback):
    """Writes ``folder/00012-NAME``: val_acc and val_loss by epoch.

    Raises:
        InputError: tensorboardX is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise InputError(
                "`tensorboard` needs a package that is not installed: pip install tensorboardX"
            ) from None
        self._writer: Any = SummaryWriter
        self.folder = folder
        self.open: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles callbacks into a file that nobody reads

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
    ) -> None:
        if result.get("end") or result.get("ready"):
            return
        if trial.trial_id not in self.open:
            name = f"{trial.config['number']:05d}-{trial.config['name']}"
            self.open[trial.trial_id] = self._writer(str(self.folder / name), flush_secs=10)
        for scalar in SCALARS:
            value = result.get(scalar)
            if value is not None and math.isfinite(value):
                self.open[trial.trial_id].add_scalar(scalar, value, result["epoch"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._close(trial.trial_id)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._close(trial.trial_id)

    def on_experiment_end(self, trials: list[Any], **_: Any) -> None:
        for trial_id in list(self.open):
            self._close(trial_id)

    def _close(self, trial_id: str) -> None:
        writer = self.open.pop(trial_id, None)
        if writer is not None:
            writer.close()
