"""The contents of a report: what a run has to tell, whether it is complete or not."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from se_nas.architecture.architecture import Architecture
from se_nas.search.config import SearchConfig
from se_nas.search.finals.verdict import welch
from se_nas.search.results.effects import ChoiceEffect
from se_nas.search.results.run_results import JOINED
from se_nas.search.results.search_result import TrialRecord, trials_of
from se_nas.search.run_dir.directory import FAILED, RESULTS, SPACE, VERSIONS, RunDirectory
from se_nas.search.study.ranking import ranking, training_objective
from se_nas.search.study.study import read_study
from se_nas.search.study.visualisations import importances
from se_nas.search.worker.reports import LABELS
from se_nas.space.objectives import SHARES, Objective
from se_nas.space.space import Space

if TYPE_CHECKING:
    import optuna

Row: TypeAlias = Mapping[str, Any]  # of results.json
Best: TypeAlias = tuple[tuple[Architecture, tuple[float, ...]], ...]
SHOWN, FRONT = 8, 50  # networks of a ranking, and of a front


@dataclass(frozen=True)
class Final:
    """A network that was trained again, and how it stands to the winner.

    Attributes:
        val, test: means over the seeds; NaN if all failed.
        spread: standard deviation in the test; NaN with one seed.
        tests: in the test by seed.
        lead: of the winner in the test, in points; None for itself, or if one has no seeds.
        half: of the interval of 95 % around it; None with one seed, or without any spread.
    """

    role: str
    architecture: Architecture
    cost: Mapping[str, float]
    latency_ms: float | None
    seeds: int
    val: float
    test: float
    spread: float
    tests: tuple[float, ...]
    is_winner: bool
    lead: float | None
    half: float | None


@dataclass(frozen=True)
class Contents:
    """What a report shows.

    Attributes:
        name: of the run.
        facts: what was searched, on what, how long; names and texts.
        objective: by which networks are ranked; ``metric`` is shown in percent if it is a share.
        winner, verdict, finals: empty while the run is not complete.
        best: the best networks of the search, with the values of ``objectives``.
        at_random: what trials of random networks would have given, by the model of the effects.
        failed: why nothing was trained to its end; empty if something was.
        rejected: proposals that cost no training, by what they were.
        importances: of the space's parameters, with their shares.
    """

    name: str
    facts: tuple[tuple[str, str], ...]
    space: Space
    objective: Objective
    winner: Architecture | None
    verdict: str
    advice: str
    call: str
    finals: tuple[Final, ...]
    best: Best
    effects: tuple[ChoiceEffect, ...]
    at_random: tuple[tuple[float, float], ...]
    trials: tuple[TrialRecord, ...]
    epochs: int
    failed: str
    rejected: Mapping[str, int]
    importances: tuple[tuple[str, float], ...] = ()

    @property
    def ends(self) -> dict[str, int]:
        """How many trials ended in which way, in words."""
        found = Counter(LABELS[t.end] if t.end else "running" for t in self.trials)
        return dict(found.most_common())


def read(run: RunDirectory, study: optuna.Study | None = None) -> Contents:
    """Read a run.

    Args:
        study: the run's, if it is open already.

    Raises:
        InputError: its files cannot be read.
    """
    config = run.settings()
    with run.reading(SPACE):
        space = Space.from_json(run.read_text(SPACE))
    study = read_study(config, run) if study is None else study
    with run.reading(run.journal.name):
        trials = trials_of(study)
    results = run.read(RESULTS) if (run.path / RESULTS).is_file() else {}
    objective = training_objective(space)
    with run.reading(RESULTS):
        winner = Architecture.parse(results["winner"]) if "winner" in results else None
        best = tuple(
            (Architecture.parse(row["name"]), tuple(map(float, row["values"])))
            for row in results.get("ranking", ())[: _most(space)]
        ) or tuple((a, tuple(values)) for a, values in ranking(study, space)[: _most(space)])
        proposals = results.get("proposals", {})
        return Contents(
            run.path.name,
            tuple(_facts(run, config, space, study, results)),
            space,
            objective,
            winner,
            str(results.get("verdict", "")),
            str(results.get("advice", "")),
            _call(run, winner),
            _finals(results.get("finals", ()), objective, winner),
            best,
            tuple(ChoiceEffect(**effect) for effect in results.get("effects", ())),
            tuple((float(m), float(d)) for m, d in results.get("at_random", ())),
            trials,
            config.epochs,
            str(results.get(FAILED, "")),
            {k: int(proposals[k]) for k in ("rejected", "duplicates") if k in proposals},
            tuple(importances(study)),
        )


def _facts(
    run: RunDirectory, config: SearchConfig, space: Space, study: optuna.Study, results: Row
) -> list[tuple[str, str]]:
    limits = ", ".join(map(str, space.constraints)) or "none"
    versions = run.read(VERSIONS) if (run.path / VERSIONS).is_file() else {}
    told = ", ".join(f"{k} {versions[k]}" for k in ("se-nas", "torch", "python") if k in versions)
    count = f"{space.size:,} point{'s' * (space.size != 1)}"
    facts = [
        ("Space", f"{space.name} v{space.version}, {count}"),
        ("Objectives", ", ".join(map(str, space.objectives))),
        ("Constraints", limits),
        ("Data", config.data.title),
        ("Trials", f"{config.epochs} epochs each, sampler {config.sampler}, seed {config.seed}"),
        ("Made with", told),
    ]
    if JOINED in results:
        facts.append(("Study", f"joined {results[JOINED]}"))
    return [(name, text) for name, text in facts if text]


def _most(space: Space) -> int:
    return SHOWN if len(space.objectives) == 1 else FRONT


def _call(run: RunDirectory, winner: Architecture | None) -> str:
    if winner is None:
        return ""
    if run.winner.is_file():
        return f'se_nas.load("{run.shown}/{run.winner.name}")'
    return f'se_nas.materialize("{winner}")'


def _finals(
    rows: Sequence[Row], objective: Objective, winner: Architecture | None
) -> tuple[Final, ...]:
    share = objective.metric if objective.metric in SHARES else "val_acc"
    tested = [_values(row, share) for row in rows]
    at = next((i for i, row in enumerate(rows) if row["name"] == str(winner)), None)
    found = []
    for i, row in enumerate(rows):
        val, test = tested[i]
        lead = half = None
        if at is not None and i != at and test and tested[at][1]:
            lead, half = difference(tested[at][1], test)
        found.append(
            Final(
                str(row["role"]),
                Architecture.from_json(row["architecture"]),
                row["cost"],
                row["latency"]["median_ms"] if row.get("latency") else None,
                len(row["ends"]),
                statistics.fmean(val) if val else math.nan,
                statistics.fmean(test) if test else math.nan,
                statistics.stdev(test) if len(test) > 1 else math.nan,
                tuple(test),
                i == at,
                lead,
                half,
            )
        )
    return tuple(found)


def difference(a: Sequence[float], b: Sequence[float]) -> tuple[float, float | None]:
    """Return a's mean less b's, in points, and half of its interval of 95 % if that is known.

    >>> difference([0.9, 0.91], [0.8])
    (10.5, None)
    """
    welched = welch(a, b) if min(len(a), len(b)) > 1 else None
    half = None if welched is None else 100 * welched.half
    return round(100 * (statistics.fmean(a) - statistics.fmean(b)), 9), half


def _values(row: Row, share: str) -> tuple[list[float], list[float]]:
    """Return a final network's values in validation and in the test, by seed."""
    more = row.get("more") or ()
    val = [each[share] for each in more if share in each]
    test = [each[f"test_{share}"] for each in more if f"test_{share}" in each]
    return val or list(row["val_accs"]), test or list(row["test_accs"])
