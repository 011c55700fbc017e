"""What runs on a worker: one epoch of one architecture at a time.

The worker's process is kept from trial to trial, and with it torch, the CUDA context and the data.
An error in a trial is caught here and reported as its end; only a process that dies reaches Tune.
"""

from __future__ import annotations

import gc
import os
import socket
import traceback
from typing import Any

import torch
from ray import tune

from se_nas import data
from se_nas.arch import Architecture
from se_nas.latency import measure_latency_ms
from se_nas.search.settings import DataSettings, TrialSettings
from se_nas.search.workers import ready_first
from se_nas.train import NonFiniteLoss, Training

# A search compares values of ended trials: one that failed is worse than any that did not.
WORST = {"val_acc": 0.0, "val_loss": 1e9}


def load_data(settings: DataSettings, seed: int) -> data.Data:
    """The images that the settings name."""
    return data.load(
        settings.name,
        settings.folder,
        seed=seed,
        image_size=settings.image_size,
        val_images=settings.val_images,
        limit_train=settings.limit_train,
    )


OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device or the host ran out of memory; torch has several words for it.

    >>> is_out_of_memory(RuntimeError("CUDA error: out of memory")), is_out_of_memory(ValueError())
    (True, False)
    """
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in OUT_OF_MEMORY)


def loader_workers(images: data.Data, threads: int) -> int:
    """Processes that decode image files for one trial: no more than its share of the CPUs."""
    return min(images.train.default_workers, threads)


def device(on_gpu: bool) -> str:
    """``cuda`` if a GPU was reserved and this process sees one, else ``cpu``."""
    return "cuda" if on_gpu and torch.cuda.is_available() else "cpu"


class SETrial(tune.Trainable):
    """A Tune trainable that is reused: ``setup`` once a worker, ``reset_config`` once a trial."""

    worker = device = ""

    def setup(self, config: dict[str, Any], settings: TrialSettings | None = None) -> None:
        assert settings is not None, "tune.with_parameters gives it"
        self.settings = settings
        self.worker = f"{socket.gethostname()}:{os.getpid()}"
        self.device = device(settings.on_gpu)
        self.data: data.Data | None = None
        self.broken = False
        torch.set_num_threads(settings.threads)
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next trial in this process.

        After an error of the CUDA driver the process is of no use. Tune drops the trial that a
        worker declines, but starts the trial of a worker that dies again: so this one dies.
        """
        if self.broken:
            os._exit(1)
        self._begin(new_config)
        return True

    @ready_first
    def step(self) -> dict[str, Any]:
        try:
            return self._step()
        except NonFiniteLoss:
            return self._end("not_finite")
        except Exception as error:
            self.broken = "CUDA error" in str(error)
            if is_out_of_memory(error):
                return self._end("out_of_memory")
            return self._end("error") | {"traceback": traceback.format_exc()}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: Tune asks at the end of a trial, when the values are already told."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: a trial whose worker died starts again."""

    def _begin(self, config: dict[str, Any]) -> None:
        self.architecture = Architecture.from_json(config["architecture"])
        self.training: Training | None = None
        self.measured: dict[str, float] = {}
        self.done_epochs = 0
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # ray#30414: a reused worker keeps the last trial's memory

    def _step(self) -> dict[str, Any]:
        if self.data is None:
            self.data = load_data(self.settings.data, self.settings.seed)
        if self.training is None:
            if self.settings.needs_latency:
                self.measured["latency_ms"] = measure_latency_ms(
                    self.architecture,
                    image_size=self.data.image_size,
                    in_channels=self.data.in_channels,
                    num_classes=self.data.num_classes,
                    device=self.device,
                )
                if any(c.violation(self.measured) > 0 for c in self.settings.latency_limits):
                    return self._end("infeasible")
            self.training = Training(
                self.architecture,
                self.data,
                self.settings.recipe,
                epochs=self.settings.epochs,
                seed=self.settings.seed,
                device=self.device,
                workers=loader_workers(self.data, self.settings.threads),
            )
            self.measured["unpreserved"] = len(self.training.unpreserved)
        metrics = self.training.epoch()
        self.done_epochs = metrics.epoch
        return {
            "val_acc": metrics.val_acc,
            "val_loss": metrics.val_loss,
            "epoch": metrics.epoch,
            "worker": self.worker,
            "device": self.device,
            "done": metrics.epoch >= self.settings.epochs,
            "end": "",
            **self.measured,
        }

    def _end(self, end: str) -> dict[str, Any]:
        told = {"epoch": self.done_epochs, "worker": self.worker, "done": True, "end": end}
        return WORST | self.measured | told

    def __repr__(self) -> str:
        # The dashboard keeps the first answer for as long as the process lives.
        return f"SETrial({self.settings.data.name} on {self.device}, pid {os.getpid()})"
