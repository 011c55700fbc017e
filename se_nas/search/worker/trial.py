"""``SETrial``, the trainable of Ray Tune: one epoch of one architecture at a time.

The worker's process is kept from trial to trial, and with it torch, the CUDA context and the data.
An error in a trial is caught here and reported as its end; only a process that dies reaches Tune.
A trial is saved between epochs, so that one whose worker, node or driver died goes on from there.
"""

from __future__ import annotations

import gc
import os
import socket
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import torch
from ray import tune

from se_nas.architecture.architecture import Architecture
from se_nas.data import ImageShape
from se_nas.errors import described
from se_nas.search.config import TrialSettings
from se_nas.search.worker import checkpoints, process_title
from se_nas.search.worker.custom_training import TrainMisuse
from se_nas.search.worker.data import worker_data
from se_nas.search.worker.device import device
from se_nas.search.worker.out_of_memory import is_out_of_memory
from se_nas.search.worker.reports import (
    WORST,
    End,
    TrialConfig,
    TrialReport,
    read_config,
    ready_first,
)
from se_nas.search.worker.shared_data import SharedData
from se_nas.search.worker.start_training import AnyTraining, Epoch, start_ranks, start_training
from se_nas.space.objectives import METRICS
from se_nas.texts import first_line
from se_nas.training.epoch import NonFiniteLoss

if TYPE_CHECKING:
    from se_nas.search.worker.process_group import RankActors


class SavedTrial(TypedDict):
    """A checkpoint: the training's state, each epoch's metrics, and the time so far."""

    training: dict[str, Any]
    epochs: list[dict[str, float]]
    measured: dict[str, int]
    seconds: float


class SETrial(tune.Trainable):
    """A Tune trainable that is reused: ``setup`` once a worker, ``reset_config`` once a trial."""

    worker = device = ""

    def setup(
        self,
        config: Mapping[str, object],
        settings: TrialSettings | None = None,
        images: SharedData | None = None,
    ) -> None:
        assert settings is not None, "tune.with_parameters gives it"
        self.settings = settings
        self.worker = f"{socket.gethostname()}:{os.getpid()}"
        self.device = device(settings.on_gpu)
        self.shared = images
        self.ranks: RankActors | None = start_ranks(settings)
        self.data: ImageShape | None = None if images is None else images.data()
        self.training: AnyTraining | None = None
        self.broken = False
        torch.set_num_threads(settings.threads)
        self._begin(read_config(config))

    def reset_config(self, new_config: Mapping[str, object]) -> bool:
        """Take the next trial in this process.

        After an error of the CUDA driver the process is of no use, nor is it with a user's training
        that does not end. Tune drops the trial that a worker declines, but starts the trial of a
        worker that dies again: so this one dies.
        """
        if self.broken or not (self.training is None or self.training.close()):
            os._exit(1)
        self._begin(read_config(new_config))
        return True

    @ready_first
    def step(self) -> dict[str, object]:
        process_title.set_process_title(self.name)
        return dict(self._report())

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Do nothing: Tune asks at the end of a trial, when the values are already told."""

    def load_checkpoint(self, checkpoint: object) -> None:
        """Do nothing: a trial goes on from the checkpoint that it wrote itself."""

    def _begin(self, config: TrialConfig) -> None:
        self.architecture = Architecture.from_json(config["architecture"])
        self.name = str(self.architecture)
        self.training = None
        self.measured: dict[str, int] = {}
        self.epochs: list[dict[str, float]] = []  # metrics of each epoch
        self.number = config.get("number")
        self.out_of_memory = bool(config.get("out_of_memory"))
        self.taken_up: list[dict[str, float]] = []
        # Wall time by a monotonic clock; that of earlier workers is added.
        self.began, self.earlier_s = time.monotonic(), 0.0
        self.saved, self.saving_s = -float("inf"), 0.0
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # ray#30414: a reused worker keeps the last trial's memory

    def _report(self) -> TrialReport:
        try:
            return self._step()
        except NonFiniteLoss as error:
            return self._end("not_finite", str(error))
        except Exception as error:
            self.broken = "CUDA error" in str(error)
            if is_out_of_memory(error):
                return self._end("out_of_memory", first_line(error))
            report = self._end("error", described(error))
            report["traceback"] = traceback.format_exc()
            report["misuse"] = isinstance(error, TrainMisuse)
            return report

    def _step(self) -> TrialReport:
        if self.training is None:
            self.began = time.monotonic()  # not with the wait for the other workers
        if self.out_of_memory:
            self._load()
            return self._end("out_of_memory", "its worker was killed when the host ran short")
        if self.data is None:
            self.data = worker_data(self.settings.data, self.settings.seed, self.shared)
        if self.training is None:
            saved = self._load()
            self.training = start_training(
                self.architecture,
                self.data,
                self.settings,
                self.ranks,
                self.shared,
                checkpoint=self._file(checkpoints.folder_of),
            )
            self.measured["unpreserved"] = len(self.training.unpreserved)
            if saved is not None:
                self.training.load_state_dict(saved["training"])
        metrics = self.training.epoch()
        if metrics is None:  # a user's training that stopped early by itself
            return self._last_epoch(done=True, end="complete")
        self._add(metrics)
        process_title.log(self.name, f"epoch {metrics.epoch}, val_acc {metrics.val_acc:.4f}")
        done = metrics.epoch >= self.settings.epochs
        if not done:
            self._save()
        return self._last_epoch(done, end="")

    def _add(self, metrics: Epoch) -> None:
        """Note an epoch: as the next one, or under the number that a user's training gives.

        A user's training goes on from a checkpoint of its own. That may be older than ours, or
        newer by an epoch that was not reported: then that epoch gets the metrics of this one.
        """
        before, curve = metrics.epoch - 1, metrics.curve()
        missing = before - len(self.epochs)
        self.epochs[before:] = [curve] * (1 + max(0, missing))
        if self.taken_up:
            self.taken_up = self.epochs[:before]

    def _last_epoch(self, done: bool, end: End | Literal[""]) -> TrialReport:
        other = dict(self.epochs[-1])
        report: TrialReport = {**self._so_far(), "device": self.device, "done": done, "end": end}
        for name in METRICS:
            if name in other:
                report[name] = other.pop(name)  # type: ignore[literal-required]
        return {**report, "other": [*other.items()]} if other else report

    def _end(self, end: End, reason: str) -> TrialReport:
        process_title.log(self.name, f"ended: {end} {reason}")
        return {**WORST, **self._so_far(), "done": True, "end": end, "reason": reason}

    def _so_far(self) -> TrialReport:
        """Return the fields of every report; ``earlier`` once, in a resumed trial's first one."""
        earlier, self.taken_up = self.taken_up, []
        report: TrialReport = {
            "epoch": len(self.epochs),
            "earlier": earlier,
            "seconds": self._seconds(),
            "worker": self.worker,
        }
        if "unpreserved" in self.measured:
            report["unpreserved"] = self.measured["unpreserved"]
        return report

    def _seconds(self) -> float:
        return self.earlier_s + time.monotonic() - self.began

    def _file(self, of: Callable[[str, int], Path] = checkpoints.file_of) -> Path | None:
        if self.settings.checkpoints is None or self.number is None:
            return None
        return of(self.settings.checkpoints, self.number)

    def _load(self) -> SavedTrial | None:
        file = self._file()
        saved: SavedTrial | None = None if file is None else checkpoints.load(file)
        if not isinstance(saved, dict) or not SavedTrial.__required_keys__ <= saved.keys():
            return None  # somebody else's file
        self.epochs, self.measured = list(saved["epochs"]), dict(saved["measured"])
        self.earlier_s, self.taken_up = saved["seconds"], list(saved["epochs"])
        return saved

    def _save(self) -> None:
        file, now = self._file(), time.monotonic()
        if file is None or (now - self.saved) * checkpoints.SHARE < self.saving_s:
            return
        assert self.training is not None, "there is an epoch behind it"
        saved: SavedTrial = {
            "training": self.training.state_dict(),
            "epochs": self.epochs,
            "measured": self.measured,
            "seconds": self._seconds(),
        }
        checkpoints.save(file, saved)
        self.saved = time.monotonic()
        self.saving_s = self.saved - now

    def __repr__(self) -> str:
        # The dashboard keeps the first answer for as long as the process lives.
        return f"SETrial({self.settings.data.title} on {self.device}, pid {os.getpid()})"
