"""Recovery of an earlier driver's trials: known results stay, running trials go on.

ended              its network is known, and never trained again
failed             forgotten: an error may be mended by now, so its network may come again
told half          its outcome is written but it was not told: told now
running            goes on under its number, from its checkpoint if there is one
waiting duplicate  answered, or waits on
not decided yet    decided now; parameters that it lacks are drawn at random
enqueued           the same: else it would answer the next ask, whatever that was

Trials of other drivers of the study are theirs: what they know is known here, and no more.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import asdict

import optuna
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial

from se_nas.architecture.architecture import Architecture
from se_nas.search.study.optuna_internals import take_up, with_sampler
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.records import COST, ID, Proposal, Record


def recover(proposals: Proposals) -> None:
    """Bring new ``Proposals`` to the state of their study."""
    study, drivers = proposals.study, proposals.drivers
    # An Optuna trial asks its study's sampler as it is made; those that exist need no sampler.
    quiet = with_sampler(study, RandomSampler(seed=0))
    undecided: list[optuna.Trial] = []
    enqueued = 0
    drivers.forget_failed()
    proposals.sync()
    for frozen in filter(drivers.owns, study.get_trials(deepcopy=False)):
        record = Record.of(frozen)
        if record.state == "enqueued":
            enqueued += 1
        elif record.state == "undecided":
            undecided.append(take_up(quiet, frozen))
        elif record.state in ("running", "told_half"):
            _take_up(proposals, take_up(quiet, frozen), frozen, record)
        elif record.state == "ended":
            proposals.restore_ended(record)
        elif record.state != "failed":
            proposals.restore_untrained(record)
    undecided += [study.ask() for _ in range(enqueued)]
    for trial in undecided:
        with _told_twice():
            proposals.restore_undecided(trial)


@contextlib.contextmanager
def _told_twice() -> Iterator[None]:
    """Silence Optuna's warning of a value that is told twice; it keeps the first."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* is ignored because th", category=UserWarning)
        yield


def _take_up(
    proposals: Proposals, trial: optuna.Trial, frozen: FrozenTrial, record: Record
) -> None:
    architecture = Architecture.from_json(record.architecture)
    proposal = Proposal(trial, architecture, proposals.price(architecture))
    curve = frozen.intermediate_values
    if record.outcome is not None:
        with _told_twice():
            proposals.restore_told_half(proposal, curve, record.outcome)
        return
    proposals.restore_running(proposal, curve)
    if not record.priced:
        trial.set_user_attr(ID, architecture.id)
        trial.set_user_attr(COST, asdict(proposal.cost))
