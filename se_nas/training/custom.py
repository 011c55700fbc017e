"""A user's own training function: what it is given, and what it gives.

>>> def train(architecture, report, resources):
...     model = se_nas.materialize(architecture, num_classes=10).to(resources.device)
...     for epoch in range(resources.epochs):
...         ...                                    # train an epoch
...         report(val_acc=accuracy)               # does not return when the trial is stopped
...     return model
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from torch import nn

from se_nas.architecture.architecture import Architecture
from se_nas.data import Data
from se_nas.errors import InputError
from se_nas.user_files import read_python_file


class StopTraining(BaseException):
    """Raised by ``report`` where no further epoch is wanted: let it pass.

    It is no ``Exception``, so that an ``except Exception`` of a training loop does not keep it.
    """


class Report(Protocol):
    """Tells the search what an epoch gave; called once after each."""

    def __call__(
        self,
        *,
        val_acc: float,
        val_loss: float | None = None,
        epoch: int | None = None,
        **other: float,
    ) -> None:
        """Report an epoch.

        Args:
            val_acc: in [0, 1], of validation images.
            val_loss: needed where the space has it for an objective.
            epoch: of this report, from 1, where training went on from a checkpoint; one more than
                at the last report if not given.
            other: further numbers, which are kept in the trial's curve, under names that are not
                those of the search: ``params``, ``seconds``, ``epochs`` and the like.

        Raises:
            StopTraining: no further epoch is wanted: the scheduler stopped the trial, or the
                budget is spent.
            InputError: a value is no number, or not in its range; or a name is the search's.
        """


@dataclass(frozen=True)
class Resources:
    """What a training may use.

    Attributes:
        device: ``cuda`` or ``cpu``.
        threads: for computing on the CPU; torch is set to it.
        gpus: how many are visible, in whole; other trials may share one.
        seed: of this training; torch, numpy and ``random`` are seeded with it.
        epochs: the budget.
        data: the data set of the search; None if it has none of its own.
        checkpoint: folder for checkpoints of this training, there already and empty at first; what
            is in it when the function begins is of a worker that died. None: keep none.
        final: whether this is one of the trainings at the end of a search, after which the network
            is tested; in a trial of the search the test images are not to be looked at.
    """

    device: str
    threads: int
    gpus: float
    seed: int
    epochs: int
    data: Data | None = None
    checkpoint: Path | None = None
    final: bool = False


@dataclass(frozen=True)
class TrainResult:
    """What a training function may return; the model alone does if the data set is the search's.

    Attributes:
        model: as ``se_nas.materialize`` made it, trained; its weights become the winner's file.
        test_acc: in [0, 1]; if it is not given, the model is tested on the search's test images.
    """

    model: nn.Module | None = None
    test_acc: float | None = None


TrainFunction: TypeAlias = Callable[[Architecture, Report, Resources], Any]


def load_train_file(path: str | Path) -> TrainFunction:
    """Return the function ``train`` that a Python file defines.

    Raises:
        InputError: there is no such file, an error in it, or it defines no such function.
    """
    path = Path(path)
    train: TrainFunction | None = read_python_file(path, "train").get("train")
    if not callable(train):
        raise InputError(f"train file {str(path)!r}: define train(architecture, report, resources)")
    return train


def check_arguments(train: TrainFunction) -> TrainFunction:
    """Return the function, if it can be called with an architecture, a report and resources.

    Raises:
        InputError: it takes fewer or more arguments, or others by name.

    >>> check_arguments(lambda a: None)
    Traceback (most recent call last):
    se_nas.errors.InputError: train takes (a); write train(architecture, report, resources)
    """
    try:
        signature = inspect.signature(train)
    except (ValueError, TypeError):  # of a compiled callable
        return train
    try:
        signature.bind(None, None, None)
    except TypeError:
        raise InputError(
            f"train takes {signature}; write train(architecture, report, resources)"
        ) from None
    return train
