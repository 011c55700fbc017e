"""A search without a result says in one line why, and what to change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.samplers import RandomSampler

from se_nas import SE, Space, choice, optional, params, per_stage
from se_nas.cli.usage import as_options
from se_nas.cost.network_cost import cost
from se_nas.search.config import SearchConfig
from se_nas.search.results.failed_search import Ending, explain_ends, explain_search
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.records import Outcome

SPACE = Space("small", trunk="resnet8_small", se=per_stage(optional(SE(reduction=choice(2, 4)))))
CONFIG = SearchConfig()
LOSS = "the training loss is not finite in epoch 1"


def trained(ends: list[Ending], space: Space = SPACE) -> Proposals:
    study = optuna.create_study(direction="maximize", sampler=RandomSampler(seed=0))
    proposals = Proposals(study, space, cost, trials=len(ends))
    for end, reason in ends:
        proposal = proposals.ask()
        assert proposal is not None
        proposals.tell(proposal, Outcome(end, {}, reason=reason))
    return proposals


DIVERGED: Ending = ("not_finite", LOSS)
MEMORY: Ending = ("out_of_memory", "CUDA out of memory")
BUG: Ending = ("error", "KeyError: 'a'")


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (
            [DIVERGED, DIVERGED],
            f"all 2 trials diverged ({LOSS}); lower the learning rate, now --learning-rate 0.1 "
            "with --batch-size 64",
        ),
        (
            [MEMORY, MEMORY],
            "all 2 trials ran out of memory (CUDA out of memory); lower the batch size, now "
            "--batch-size 64, or --image-size, or offer smaller networks",
        ),
        ([BUG], "the only trial failed (KeyError: 'a'); the tracebacks are in"),
        ([BUG, BUG], "all 2 trials failed (KeyError: 'a'); the tracebacks are in"),
        (
            [BUG, BUG, ("error", "OSError: b")],
            "all 3 trials failed (2 with: KeyError: 'a'); the tracebacks are in",
        ),
        (
            [BUG, DIVERGED, MEMORY, DIVERGED, ("lost", "its worker died")],
            f"none of 5 trials came to its end: 2 diverged ({LOSS}), 1 ran out of memory (CUDA out "
            "of memory), 1 failed (KeyError: 'a'), 1 was lost (its worker died); lower the "
            "learning rate",
        ),
    ],
)
def test_the_reason_is_said_with_what_to_change(
    ends: list[Ending], said: str, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path)
    run.make_folders()
    line = as_options(explain_search(trained(ends), CONFIG, run))
    assert "traceback" not in line, "there are none"
    assert line.startswith(said.removesuffix("; the tracebacks are in"))
    run.write_error("trial-00000", "Traceback")
    line = as_options(explain_search(trained(ends), CONFIG, run))
    assert line.startswith(said)
    assert ("traceback" in line) == (BUG in ends)


def test_a_training_of_the_users_has_no_learning_rate_of_ours(tmp_path: Path) -> None:
    own = replace(CONFIG, train="train")
    line = explain_ends("trial", [DIVERGED, MEMORY], own, RunDirectory(tmp_path))
    assert "learning rate of your train()" in line
    assert "`learning_rate" not in line
    assert "`batch_size" not in line


def test_a_search_that_rejects_everything_says_by_which_constraint(tmp_path: Path) -> None:
    least = min(cost(architecture).params for architecture in SPACE)
    space = replace(SPACE, constraints=(params <= least - 1,))
    study = optuna.create_study(direction="maximize", sampler=RandomSampler(seed=0))
    proposals = Proposals(study, space, cost, trials=2)
    assert proposals.ask() is None
    line = explain_search(proposals, CONFIG, RunDirectory(tmp_path))
    count = proposals.counts.rejected
    assert line.startswith("no trial was begun: the sampler proposed no network that keeps")
    assert line.endswith(f"{count} were rejected (params <= {least - 1:,} by {count})")
