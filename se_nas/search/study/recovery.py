"""What an earlier driver left in the study: known results stay, running trials go on.

ended              its network is known, and never trained again
failed             forgotten: an error may be mended by now, so its network may come again
told half          its outcome is written but it was not told: told now
running            goes on under its number, from its checkpoint if there is one
waiting duplicate  answered, or waits on
not decided yet    decided now; parameters that it lacks are drawn at random
enqueued           the same: else it would answer the next question, whatever that was

Trials of other drivers of the study are theirs: what they know is known here, and no more.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import asdict

import optuna
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from se_nas.architecture.architecture import Architecture
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.records import FAILED, Outcome, Proposal


def recover(proposals: Proposals) -> None:
    """Bring proposals that begin to the state of their study."""
    study = proposals.study
    # An Optuna trial asks its study's sampler as it is made; those that exist need no sampler.
    quiet = optuna.load_study(
        study_name=study.study_name, storage=study._storage, sampler=RandomSampler(seed=0)
    )
    undecided: list[optuna.Trial] = []
    enqueued = 0
    drivers = proposals.drivers
    if drivers is not None:
        drivers.forget_failed()
        proposals.listen()
    for frozen in study.get_trials(deepcopy=False):
        attrs = frozen.user_attrs
        if drivers is not None and (frozen.state is TrialState.WAITING or not drivers.owns(frozen)):
            continue
        if frozen.state is TrialState.WAITING:
            enqueued += 1
            continue
        if "architecture" not in attrs:
            if frozen.state is TrialState.RUNNING:
                undecided.append(optuna.Trial(quiet, frozen._trial_id))
            else:
                proposals.counts.rejected += attrs.get("end") == "rejected"
                proposals.counts.duplicates += bool(attrs.get("duplicate"))
        elif frozen.state is TrialState.RUNNING:
            _take_up(proposals, optuna.Trial(quiet, frozen._trial_id), frozen)
        elif attrs.get("end") not in FAILED:
            outcome = Outcome(**attrs["outcome"])
            proposals.remember(attrs["id"], outcome)
    undecided += [study.ask() for _ in range(enqueued)]
    for trial in undecided:
        with _told_twice():
            proposals.consider_again(trial)


@contextlib.contextmanager
def _told_twice() -> Iterator[None]:
    """Optuna keeps the first of two equal values, and warns of the second."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* is ignored because th", category=UserWarning)
        yield


def _take_up(proposals: Proposals, trial: optuna.Trial, frozen: FrozenTrial) -> None:
    attrs = frozen.user_attrs
    architecture = Architecture.from_json(attrs["architecture"])
    proposal = Proposal(trial, architecture, proposals.price(architecture))
    proposals.go_on(proposal, frozen.intermediate_values)
    if "outcome" in attrs:
        proposals.unfinished.remove(proposal)
        with _told_twice():
            proposals.tell(proposal, Outcome(**attrs["outcome"]))
    elif "cost" not in attrs:  # the last thing to be written of a new proposal
        trial.set_user_attr("id", architecture.id)
        trial.set_user_attr("cost", asdict(proposal.cost))
