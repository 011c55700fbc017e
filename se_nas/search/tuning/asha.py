"""Resumable ASHA: its rungs are rebuilt from the study, not from a file.

A trial counts once in a rung, under its number in the study: after the death of a worker it may
come again under another id of Tune's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, TypeAlias, cast

from ray.tune.schedulers import ASHAScheduler

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController
    from ray.tune.experiment import Trial

Curve: TypeAlias = Mapping[int, float]  # value by epoch
NO_CONTROLLER = cast("TuneController", None)  # ASHA does not look at it


class ResumableASHA(ASHAScheduler):
    """ASHA whose rungs count the trials that a study already has.

    Args:
        known: the trials of the study with their values by epoch, as ``trained_curves`` has them.
        metric, mode, max_t, grace_period: as in Ray Tune.
    """

    def __init__(
        self,
        known: Iterable[tuple[int, Curve]],
        *,
        metric: str,
        mode: str,
        max_t: int,
        grace_period: int,
    ) -> None:
        super().__init__(
            time_attr="epoch",
            metric=metric,
            mode=mode,
            max_t=max_t,
            grace_period=grace_period,
            reduction_factor=2,
        )
        for number, curve in known:
            self._replay(number, curve)

    def on_trial_add(self, tune_controller: TuneController, trial: Trial) -> None:
        super().on_trial_add(tune_controller, _numbered(trial))

    def on_trial_result(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, object]
    ) -> str:
        return str(super().on_trial_result(tune_controller, _numbered(trial), result))

    def on_trial_complete(
        self, tune_controller: TuneController, trial: Trial, result: dict[str, object]
    ) -> None:
        super().on_trial_complete(tune_controller, _numbered(trial), result)

    def on_trial_remove(self, tune_controller: TuneController, trial: Trial) -> None:
        super().on_trial_remove(tune_controller, _numbered(trial))

    def _replay(self, number: int, curve: Curve) -> None:
        """Count a trial in the rungs that it passed; one that goes on is not judged there again."""
        known = cast("Trial", SimpleNamespace(config={"number": number}))
        self.on_trial_add(NO_CONTROLLER, known)
        for epoch, value in sorted(curve.items()):
            self.on_trial_result(NO_CONTROLLER, known, {"epoch": epoch, str(self._metric): value})


def _numbered(trial: Trial) -> Trial:
    """Return a stand-in with the study's number as id; ASHA looks at nothing else."""
    return cast("Trial", SimpleNamespace(trial_id=str(trial.config["number"])))
