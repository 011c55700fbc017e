"""``--tensorboard``: a TensorBoard run for every trial, written by the driver.

``tensorboardX`` comes with ``ray[tune]``; only who looks at the files needs ``tensorboard``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from se_nas.errors import InputError
from se_nas.search.tuning.driver_callback import DriverCallback, TuneTrial, config_of
from se_nas.search.worker.reports import is_epoch, point, read_report


class Writer(Protocol):
    """A writer of tensorboardX's, as far as it is used here."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int, /) -> None: ...

    def close(self) -> None: ...


class TensorBoardCallback(DriverCallback):
    """A callback that writes ``folder/00012-NAME`` for each trial: its metrics by epoch.

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
        self._writer = SummaryWriter
        self.folder = folder
        self.open: dict[str, Writer] = {}

    def on_trial_result(
        self,
        iteration: int,
        trials: Sequence[TuneTrial],
        trial: TuneTrial,
        result: Mapping[str, object],
        **_: object,
    ) -> None:
        report = read_report(result)
        if not is_epoch(report):
            return
        if trial.trial_id not in self.open:
            config = config_of(trial)
            folder = self.folder / f"{config['number']:05d}-{config['name']}"
            self.open[trial.trial_id] = self._writer(str(folder), flush_secs=10)
        writer = self.open[trial.trial_id]
        for scalar, value in point(report).items():
            if math.isfinite(value):
                writer.add_scalar(scalar, value, report["epoch"])

    def on_trial_complete(
        self, iteration: int, trials: Sequence[TuneTrial], trial: TuneTrial, **_: object
    ) -> None:
        self._close(trial.trial_id)

    def on_trial_error(
        self, iteration: int, trials: Sequence[TuneTrial], trial: TuneTrial, **_: object
    ) -> None:
        self._close(trial.trial_id)

    def on_experiment_end(self, trials: Sequence[TuneTrial], **_: object) -> None:
        for trial_id in list(self.open):
            self._close(trial_id)

    def _close(self, trial_id: str) -> None:
        writer = self.open.pop(trial_id, None)
        if writer is not None:
            writer.close()
