"""The result of a search as a value, read from its run directory."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from se_nas.architecture.architecture import Architecture
from se_nas.errors import InputError
from se_nas.models.saving import load
from se_nas.nn.model import Model
from se_nas.search.results.effects import ChoiceEffect
from se_nas.search.run_dir.directory import RESULTS, RunDirectory, display_path, find
from se_nas.search.study.records import COST, Record
from se_nas.search.study.study import read_study
from se_nas.search.worker.reports import End
from se_nas.user_files import as_path

if TYPE_CHECKING:
    import optuna
    import pandas


@dataclass(frozen=True)
class TrialRecord:
    """A network that the search trained.

    Attributes:
        number: of the trial in the study.
        name: of the architecture.
        architecture: as a value.
        end: how the trial ended; None if it did not, in a run that was cut.
        epochs: trained.
        seconds: of wall time.
        metrics: of the last epoch: val_acc, val_loss, and what else was reported.
        cost: params, macs, and what else the search counts.
        curve: metrics of every epoch, from the first.
        reason: of an end that is not ``complete``, in words.
    """

    number: int
    name: str
    architecture: Architecture
    end: End | None
    epochs: int
    seconds: float
    metrics: Mapping[str, float]
    cost: Mapping[str, float]
    curve: tuple[Mapping[str, float], ...] = ()
    reason: str = ""

    @property
    def val_acc(self) -> float | None:
        """Validation accuracy of the last epoch; None if no epoch came to its end."""
        return self.metrics.get("val_acc")

    @property
    def params(self) -> int:
        return int(self.cost["params"])

    @property
    def macs(self) -> int:
        return int(self.cost["macs"])

    def row(self) -> dict[str, Any]:
        """Return the record as one row of a table."""
        own = {name: getattr(self, name) for name in ("number", "name", "end", "epochs", "seconds")}
        return own | dict(self.metrics) | dict(self.cost)


@dataclass(frozen=True)
class FinalRecord:
    """A network that was retrained with several seeds and tested.

    Attributes:
        role: ``best 1`` …, ``no SE`` or ``SE r16``; several if they are one network.
        name, architecture: the network.
        params, macs: its cost.
        val_accs, test_accs: of each seed whose training came to its end.
        ends: of each seed.
    """

    role: str
    name: str
    architecture: Architecture
    params: int
    macs: int
    val_accs: tuple[float, ...]
    test_accs: tuple[float, ...]
    ends: tuple[str, ...]

    @property
    def val_mean(self) -> float:
        """Mean validation accuracy over the seeds; NaN if all failed."""
        return statistics.fmean(self.val_accs) if self.val_accs else float("nan")

    @property
    def test_mean(self) -> float:
        """Mean test accuracy over the seeds; NaN if all failed."""
        return statistics.fmean(self.test_accs) if self.test_accs else float("nan")

    @property
    def test_spread(self) -> float:
        """Standard deviation of the test accuracy over the seeds; 0 with one seed."""
        return statistics.stdev(self.test_accs) if len(self.test_accs) > 1 else 0.0


@dataclass(frozen=True, repr=False)
class SearchResult:
    """The result of a complete search.

    Attributes:
        winner: the best network, chosen on validation images.
        verdict: whether SE won, in one sentence.
        advice: where SE pays, by all trials, in a few sentences.
        effects: what each choice of the space is worth, with intervals, and what it costs.
        finals: the best and the controls, retrained and tested.
        trials: all networks that were trained, by number.
        run: the run directory.
    """

    winner: Architecture
    verdict: str
    finals: tuple[FinalRecord, ...]
    trials: tuple[TrialRecord, ...]
    run: Path
    advice: str = ""
    effects: tuple[ChoiceEffect, ...] = ()

    @classmethod
    def load(
        cls, run: str | Path, *, out: str = "runs", storage: str | None = None
    ) -> SearchResult:
        """Read the result of a run that is complete.

        Args:
            run: its folder, or its name in ``out``.
            storage: of its study, where that is in a database with a password.

        Raises:
            InputError: there is no such run, or it is not complete.
        """
        found = find(str(as_path("run", run)), out)
        best, verdict, finals = read_results(found)
        config = found.settings()
        study = read_study(config if storage is None else replace(config, storage=storage), found)
        advice, effects = read_answer(found)
        return cls(best, verdict, finals, _trials(study, found), found.path, advice, effects)

    def model(self) -> Model:
        """Return the winner with its trained weights, in evaluation mode.

        Raises:
            InputError: there are none, for the user's own training function gave no model.
        """
        weights = RunDirectory(self.run).winner
        if not weights.exists():
            raise InputError(
                f"the run {display_path(self.run)} has no weights of its winner: train() returned "
                "no model"
            )
        return load(weights).eval()

    def to_dataframe(self) -> pandas.DataFrame:
        """Return the trials as a table, one row for each.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise InputError(
                "to_dataframe needs pandas: pip install pandas, or use trials"
            ) from None
        return pandas.DataFrame([trial.row() for trial in self.trials])

    def __repr__(self) -> str:
        count = len(self.trials)
        return (
            f"SearchResult({self.winner}, {count} trial{'s' * (count != 1)}, "
            f"{display_path(self.run)!r})"
        )


def read_results(run: RunDirectory) -> tuple[Architecture, str, tuple[FinalRecord, ...]]:
    """Return the winner, the verdict and the final networks of a complete run.

    Raises:
        InputError: it is not complete, or the file of its results is damaged.
    """
    results = run.read(RESULTS) if run.complete else {}
    if "winner" not in results:
        raise InputError(f"the run {run.shown} has no result yet; go on with resume={run.shown!r}")
    with run.reading(RESULTS):
        finals = tuple(map(_final, results["finals"]))
        if not finals:
            raise ValueError("it has no final networks")
        return Architecture.parse(results["winner"]), str(results["verdict"]), finals


def read_answer(run: RunDirectory) -> tuple[str, tuple[ChoiceEffect, ...]]:
    """Return the advice of a run and its effects; none where too few trials told of them.

    Raises:
        InputError: the file of its results is damaged.
    """
    results = run.read(RESULTS)
    with run.reading(RESULTS):
        found = tuple(ChoiceEffect(**effect) for effect in results.get("effects", ()))
        return str(results.get("advice", "")), found


def _trials(study: optuna.Study, run: RunDirectory) -> tuple[TrialRecord, ...]:
    with run.reading(run.journal.name):
        return trials_of(study)


def trials_of(study: optuna.Study) -> tuple[TrialRecord, ...]:
    """Return the trials of a study that trained a network, or do."""
    found: list[TrialRecord] = []
    for trial in study.get_trials(deepcopy=False):
        record = Record.of(trial)
        if not record.trained:
            continue
        outcome = record.outcome
        found.append(
            TrialRecord(
                record.number,
                record.name,
                Architecture.from_json(record.architecture),
                None if outcome is None else outcome.end,
                0 if outcome is None else outcome.epochs,
                0.0 if outcome is None else outcome.seconds,
                {} if outcome is None else outcome.metrics,
                trial.user_attrs.get(COST, {}),
                () if outcome is None else tuple(outcome.curve),
                "" if outcome is None else outcome.reason,
            )
        )
    return tuple(found)


def _final(row: Mapping[str, Any]) -> FinalRecord:
    return FinalRecord(
        str(row["role"]),
        str(row["name"]),
        Architecture.from_json(row["architecture"]),
        int(row["cost"]["params"]),
        int(row["cost"]["macs"]),
        tuple(map(float, row["val_accs"])),
        tuple(map(float, row["test_accs"])),
        tuple(map(str, row["ends"])),
    )
