"""A user's training function as a ``Training``: it runs in a thread and is held at each report."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch
from torch import nn

from se_nas.architecture.architecture import Architecture
from se_nas.data import eval_loader
from se_nas.errors import InputError
from se_nas.models.materialize import materialize
from se_nas.space.objectives import COSTS, MEASURED, SHARES
from se_nas.training.custom import Resources, StopTraining, TrainFunction, TrainResult
from se_nas.training.epoch import NonFiniteLoss
from se_nas.training.evaluation import Metrics, evaluate
from se_nas.values import whole

# The user's code of a training that is stopped has so long to end.
STOP_TIMEOUT_S = 60.0
# Columns of a trial beside its metrics; and each field of its cost may be an objective.
COLUMNS = ("number", "name", "architecture", "end", "epochs", "seconds")
RESERVED = frozenset((*COLUMNS, *COSTS, *MEASURED))


class TrainMisuse(InputError):
    """A function that does not keep to its contract: it would not in any other trial either."""


@dataclass(frozen=True)
class CustomEpoch:
    """The metrics that a function reported for ``epoch``, from 1; ``val_loss`` only if given."""

    epoch: int
    metrics: Mapping[str, float]

    @property
    def val_acc(self) -> float:
        return self.metrics["val_acc"]

    def curve(self) -> dict[str, float]:
        return dict(self.metrics)


@dataclass(frozen=True)
class _Ended:
    """The end of a function, which returned ``value`` or raised ``error``."""

    value: Any = None
    error: BaseException | None = None


class _TrainThread(threading.Thread):
    """The thread of a user's function; ``abandoned`` if it did not end when it was to."""

    abandoned = False


def is_occupied() -> bool:
    """Return whether a function that did not end when it was to still runs in this process."""
    return any(
        isinstance(thread, _TrainThread) and thread.abandoned for thread in threading.enumerate()
    )


class CustomTraining:
    """A user's training function with the methods of ``Training``: stepped an epoch at a time.

    The function waits in ``report`` while the scheduler decides, and goes on with the next
    ``epoch``. After the last one it runs to its end.

    Args:
        train: the function.
        needed: the metric that the search compares; each report has to have it.
        num_classes, in_channels: of the network, to check what the function returns.

    Attributes:
        model: what the function returned, if it ended and returned one.
        finished: whether it ended.
        unpreserved: empty: how SE starts is the function's own affair.
    """

    unpreserved: tuple[str, ...] = ()

    def __init__(
        self,
        train: TrainFunction,
        architecture: Architecture,
        resources: Resources,
        *,
        needed: str,
        num_classes: int,
        in_channels: int,
    ) -> None:
        self.train, self.architecture, self.resources = train, architecture, resources
        self.needed, self.sizes = needed, (num_classes, in_channels)
        self.epochs_done = self._epochs_before = 0
        self.finished = False
        self.model: nn.Module | None = None
        self._result = TrainResult()
        self._messages: SimpleQueue[CustomEpoch | _Ended] = SimpleQueue()
        self._answers: SimpleQueue[bool] = SimpleQueue()  # whether to go on
        self._stopped = False
        self._thread: _TrainThread | None = None

    def epoch(self) -> CustomEpoch | None:
        """Let the function go on to its next report; None if it ended before its budget.

        Raises:
            NonFiniteLoss: a reported metric is infinite or not a number.
            Exception: what the function raised, or a ``TrainMisuse`` on what it returned.
        """
        if self._thread is None:
            # A daemon: a worker's process may end while the user's code hangs.
            self._thread = _TrainThread(target=self._run, name="train", daemon=True)
            self._thread.start()
        else:
            self._answers.put(True)
        message = self._messages.get()
        if isinstance(message, _Ended):
            self._end(message)
            if not self.epochs_done and not self._epochs_before:
                raise TrainMisuse("train() ended without a report; call report(val_acc=…)")
            return None
        self.epochs_done = message.epoch
        if not all(map(math.isfinite, message.curve().values())):
            self.close()
            raise NonFiniteLoss(message.epoch, "reported")
        if message.epoch >= self.resources.epochs:
            self._answers.put(True)
            ended = self._messages.get()
            assert isinstance(ended, _Ended), "report raises once the budget is spent"
            self._end(ended)
        return message

    def test(self) -> Metrics:
        """Return the test accuracy: the function's, or that of its model on the test images.

        Raises:
            TrainMisuse: there is neither.
        """
        given, data = self._result.test_acc, self.resources.data
        if given is not None:
            return Metrics(_share("test_acc", given), float("nan"), 0)
        if self.model is None or data is None:
            raise TrainMisuse(
                "train() returned nothing to test; return the model if data is the search's, else "
                "se_nas.TrainResult(model, test_acc=…)"
            )
        device = torch.device(self.resources.device)
        self.model.to(device)
        return evaluate(self.model, eval_loader(data.test, device=device, workers=0), device)

    def weights(self) -> Mapping[str, torch.Tensor] | None:
        """Return the model's weights; None if there is no model."""
        return None if self.model is None else self.model.state_dict()

    def state_dict(self) -> dict[str, Any]:
        """Return the epochs done; the function keeps its own state in its own folder."""
        return {"epochs_done": self.epochs_done}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Note the epochs of a worker that died.

        The function begins again and says where with ``report(epoch=…)``. If all its epochs are in
        its checkpoint it may end without a report.
        """
        self._epochs_before = int(state["epochs_done"])

    def close(self) -> bool:
        """End the function where it waits in ``report``; False if it does not end."""
        self._stopped = True
        self._answers.put(False)
        if self._thread is None:
            return True
        self._thread.join(STOP_TIMEOUT_S)
        self._thread.abandoned = self._thread.is_alive()
        return not self._thread.abandoned

    def _run(self) -> None:
        seed = self.resources.seed
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            ended = _Ended(self.train(self.architecture, self._report, self.resources))
        except StopTraining:
            ended = _Ended()
        except BaseException as error:  # SystemExit too: it would end the thread without a word
            ended = _Ended(error=error)
        self._messages.put(ended)

    def _report(
        self,
        *,
        val_acc: float,
        val_loss: float | None = None,
        epoch: int | None = None,
        **other: float,
    ) -> None:
        if self._stopped or self.finished or self.epochs_done >= self.resources.epochs:
            raise StopTraining
        number = self.epochs_done + 1 if epoch is None else epoch
        try:
            number = whole("report: epoch", number, 1)
        except InputError as error:
            raise TrainMisuse(str(error)) from None
        if self.needed not in ("val_acc", *other, *["val_loss"] * (val_loss is not None)):
            raise TrainMisuse(
                f"report: {self.needed} is not given, and it is what the space compares"
            )
        for name in other:
            if name in RESERVED:
                raise TrainMisuse(f"report: {name} is a name of the search's own; give another")
        metrics = {"val_acc": _share("val_acc", val_acc)}
        given = other if val_loss is None else {"val_loss": val_loss, **other}
        metrics |= {
            name: (_share if name in SHARES else _number)(name, value)
            for name, value in given.items()
        }
        self._messages.put(CustomEpoch(number, metrics))
        if not self._answers.get():
            raise StopTraining

    def _end(self, ended: _Ended) -> None:
        """Check and keep what the function returned.

        Raises:
            Exception: what it raised instead, or a ``TrainMisuse`` on what it returned.
        """
        self.finished = True
        if isinstance(ended.error, Exception):
            raise ended.error
        if ended.error is not None:
            raise RuntimeError(f"train() raised {type(ended.error).__name__}") from ended.error
        value = ended.value
        if not isinstance(value, (TrainResult, nn.Module, type(None))):
            raise TrainMisuse(
                f"train() returned a {type(value).__name__}; return the model, "
                "se_nas.TrainResult(model, test_acc=…), or nothing"
            )
        self._result = value if isinstance(value, TrainResult) else TrainResult(value)
        if self._result.model is not None:
            self._check_model(self._result.model)
        self.model = self._result.model

    def _check_model(self, model: nn.Module) -> None:
        num_classes, in_channels = self.sizes
        with torch.device("meta"):
            ours = materialize(self.architecture, num_classes=num_classes, in_channels=in_channels)
        shapes = {key: value.shape for key, value in ours.state_dict().items()}
        found = {key: value.shape for key, value in model.state_dict().items()}
        if shapes != found:
            odd = next(key for key in {**shapes, **found} if shapes.get(key) != found.get(key))
            raise TrainMisuse(
                f"train() returned a model whose {odd!r} is not that of the network; return the "
                f"one that se_nas.materialize(architecture, num_classes={num_classes}, "
                f"in_channels={in_channels}) made, or TrainResult(test_acc=…) without one"
            )


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TrainMisuse(f"report: {name} is {value!r}; give a number") from None


def _share(name: str, value: Any) -> float:
    number = _number(name, value)
    if not math.isnan(number) and not 0 <= number <= 1:
        raise TrainMisuse(f"{name} is {number:g}; give a share in [0, 1], not a percentage")
    return number
