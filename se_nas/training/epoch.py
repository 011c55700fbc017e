"""Metrics of an epoch of training, and the loss that is none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochMetrics:
    """Metrics of an epoch of training.

    Attributes:
        epoch: epochs that are done, from 1.
        train_loss: mean over the epoch of what was minimised.
        val_loss: mean cross-entropy without smoothing.
        val_acc: in [0, 1].
        seconds: for training and validation.
        learning_rate: at the last step.
        balanced_accuracy, macro_f1: in validation, in [0, 1].
    """

    epoch: int
    train_loss: float
    val_loss: float
    val_acc: float
    seconds: float
    learning_rate: float
    balanced_accuracy: float = float("nan")
    macro_f1: float = float("nan")

    def curve(self) -> dict[str, float]:
        """Return what a search keeps of an epoch."""
        return {
            "val_acc": self.val_acc,
            "val_loss": self.val_loss,
            "balanced_accuracy": self.balanced_accuracy,
            "macro_f1": self.macro_f1,
        }


class NonFiniteLoss(RuntimeError):
    """The loss became infinite or not a number in ``epoch`` (from 1)."""

    def __init__(self, epoch: int, part: str = "training") -> None:
        super().__init__(epoch, part)
        self.epoch, self.part = epoch, part

    def __str__(self) -> str:
        return f"the {self.part} loss is not finite in epoch {self.epoch}"
