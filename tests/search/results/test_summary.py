"""What a search says at its end."""

from __future__ import annotations

import io
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.samplers import RandomSampler
from rich.console import Console

import se_nas
from se_nas import (
    SE,
    Architecture,
    InputError,
    Space,
    choice,
    data,
    maximize,
    minimize,
    optional,
    params,
    per_stage,
)
from se_nas.cost.network_cost import cost
from se_nas.latency.table import Latency, TimedCost
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import SearchConfig
from se_nas.search.finals.networks import FinalNetwork
from se_nas.search.plan import SearchRun
from se_nas.search.results.summary import (
    SO_FAR,
    notes,
    rebuilding_call,
    results_so_far,
    show_results,
    show_so_far,
)
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.study.records import Outcome
from se_nas.search.study.study import propose
from se_nas.search.worker.retrain import RetrainResult

WHOLE = Space("small", trunk="resnet8_small", se=per_stage(optional(SE(reduction=choice(4)))))
LIMIT = sorted(cost(architecture).params for architecture in WHOLE)[3]


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("sampler", ["random", "grid"])
def test_the_end_of_a_space_is_told_as_what_it_was(
    tmp_path: Path, sampler: str, limited: bool
) -> None:
    space = replace(WHOLE, constraints=(params <= LIMIT,)) if limited else WHOLE
    size = sum(cost(architecture).params <= LIMIT for architecture in WHOLE) if limited else 8
    study = optuna.create_study(sampler=RandomSampler(seed=0), direction="maximize")
    proposals = propose(study, space, cost, SearchConfig(sampler=sampler, trials=20))
    run = RunDirectory(tmp_path)
    assert notes(proposals, run) == []
    while (proposal := proposals.ask()) is not None:
        proposals.tell(proposal, Outcome("complete", {"val_acc": 0.5}))
    limits = " within the constraints" if limited else ""
    assert notes(proposals, run) == [
        f"the grid is done: {size} networks{limits}"
        if sampler == "grid"
        else f"the sampler found no further network{limits}"
    ]


@pytest.mark.parametrize(
    ("several", "said"),
    [
        (False, "best so far of 8 networks that were trained to their end"),
        (True, "Pareto front so far, 8 networks"),
    ],
)
def test_what_was_found_so_far_is_called_what_it_is(
    tmp_path: Path, several: bool, said: str
) -> None:
    goals = (maximize("val_acc"), minimize("macs")) if several else (maximize("val_acc"),)
    space = replace(WHOLE, objectives=goals)
    ranked = [(architecture, [0.5] * len(goals)) for architecture in WHOLE]
    console = Console(file=io.StringIO(), width=120)
    show_so_far(console, ranked, space, RunDirectory(tmp_path))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert said in " ".join(text.split())
    assert text.count("resnet8_small") == (8 if several else SO_FAR)
    show_so_far(console, [], space, RunDirectory(tmp_path))
    assert "--resume" in console.file.getvalue().splitlines()[-1]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["a b", "exp [old]", "m[/b]x", ":smile:", "it's", 'a"b', "a\\n"])
def test_the_line_that_rebuilds_the_winner_can_be_copied(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory(tmp_path / name)
    run.path.mkdir(parents=True)
    architecture = Architecture("resnet8_small", SE(16))
    images = data.load("digits")
    model = se_nas.materialize(architecture, num_classes=10, in_channels=1)
    se_nas.save(model, run.winner)
    monkeypatch.chdir(tmp_path)
    line = rebuilding_call(architecture, images, run)
    assert eval(line).architecture == architecture


def final(role: str, architecture: Architecture, accs: tuple[float, ...], timed: bool) -> Any:
    price = cost(architecture)
    latency = Latency(12.3456, 12.2, 12.5) if timed else None
    if timed:
        price = TimedCost(**asdict(price), latency_ms=1.5)
    runs = tuple(RetrainResult("complete", acc, 1.0, acc) for acc in accs)
    runs += (RetrainResult("error", reason="a bug"),) * (3 - len(runs))
    value = None if role == "no SE" else 0.5
    return FinalNetwork((role,), architecture, price, value, runs, latency)


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_last_table_has_every_network_whole_and_marks_the_winner(
    width: int, timed: bool, tmp_path: Path
) -> None:
    long = Architecture.parse("se_resnet8_small-width8_s2_r2_identity_max_2sigmoid_s4_r8_pre")
    rows = [
        final("best 1", long, (0.5, 0.512345, 0.6), timed),
        final("best 2", Architecture("resnet8_small", SE(16)), (0.7, 0.7), timed),
        final("no SE", Architecture("resnet8_small"), (), timed),
    ]
    console = Console(file=io.StringIO(), width=width)
    study = optuna.create_study(direction="maximize")
    config = SearchConfig(final_epochs=9)
    plan: Any = SimpleNamespace(space=WHOLE, config=config, images=data.load("digits"))
    run = RunDirectory(tmp_path)
    show_results(
        SearchRun(plan, run, Slots(1, 1.0, 0.0), console), rows, propose(study, WHOLE, cost, config)
    )
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "mean of 3 seeds, 9 epochs each; * the winner, chosen on validation images" in text
    assert "…" not in text
    assert text.count(str(long)) == 1
    assert "best 2 *" in text
    assert "best 1 *" not in text
    for told in (
        "53.74",
        "53.74 ± 5.45",
        "70.00 ± 0.00 (1 failed)",
        "– (3 failed)",
        "best 1",
        "no SE",
    ):
        assert "".join(told.split()) in "".join(text.split())
    assert ("12.346±0.150" in "".join(text.split())) == timed
    assert "untrained: train() returned no model" in text


def test_a_search_in_which_everything_failed_is_not_one_that_was_cut(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    study = optuna.create_study(sampler=RandomSampler(seed=0), direction="maximize")
    proposals = propose(study, WHOLE, cost, SearchConfig())
    plan: Any = SimpleNamespace(space=WHOLE, config=SearchConfig())
    search_run = SearchRun(plan, run, Slots(1, 1.0, 0.0), Console(quiet=True))

    def end(error: BaseException) -> None:
        with pytest.raises(type(error)), results_so_far(search_run, proposals):
            raise error

    end(InputError("the disk is full"))
    assert not run.failed, "nothing was tried"
    proposal = proposals.ask()
    assert proposal is not None
    proposals.tell(proposal, Outcome("not_finite", {}))
    end(KeyboardInterrupt())
    assert not run.failed, "it was cut"
    end(InputError("the only trial diverged"))
    assert run.failed
    proposal = proposals.ask()
    assert proposal is not None
    proposals.tell(proposal, Outcome("complete", {"val_acc": 0.5}))
    end(InputError("too many failed"))
    assert not run.failed, "there is something to go on with"
