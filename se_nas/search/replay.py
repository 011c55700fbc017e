"""Replay of a run's asks and tells in their order, to compare the proposals.

With many workers the order of results depends on time, and with it what the sampler proposes. The
study has that order (``asked`` and ``told`` of every trial, and where each driver began), so the
same seed told the same in the same order must propose the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import optuna
from optuna.trial import FrozenTrial

from se_nas.cost.network_cost import Price
from se_nas.data.loaders import mixed_seed
from se_nas.errors import InputError
from se_nas.search.config import SearchConfig
from se_nas.search.plan import price_on
from se_nas.search.pricing.price import recorded_price
from se_nas.search.run_dir import directory
from se_nas.search.run_dir.resume import read_space
from se_nas.search.study import study
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.records import ASKED, SESSIONS, TOLD, Proposal, Record
from se_nas.search.study.recovery import recover
from se_nas.search.study.samplers import build_sampler
from se_nas.search.study.study import propose
from se_nas.search.study.tell import exhausted_asks
from se_nas.search.worker.data import load_data
from se_nas.space.space import Space

# The trial's number and name of an ask that finds nothing.
NOTHING = (-1, "no proposal")


@dataclass(frozen=True)
class Replayed:
    """The result of a replay.

    Attributes:
        asks: proposals that were compared.
        different: number, recorded name and replayed name of the first that differs, if any.
    """

    asks: int
    different: tuple[int, str, str] | None = None

    def __str__(self) -> str:
        if self.different is None:
            return f"all {self.asks} proposals are the same"
        number, recorded, replayed = self.different
        return f"trial {number} differs after {self.asks} equal ones: {recorded}, now {replayed}"


def replay(which: str, out: str = "runs") -> Replayed:
    """Replay an existing run in memory; nothing in its folder changes.

    Args:
        which: its folder, or its name in ``out``.

    Raises:
        InputError: there is no such run, its study or its data cannot be read, or it had several
            drivers.
    """
    run = directory.find(which, out)
    space = read_space(run, None)
    config = run.settings()
    recorded = study.read_study(config, run)
    if error := study.join_error(recorded):
        raise InputError(f"the run {run.shown} cannot be replayed: {error}")
    price = price_on(load_data(config.data, config.seed))
    return compare(recorded, space, config, recorded_price(price, space, config, run))


def compare(
    recorded: optuna.Study,
    space: Space,
    config: SearchConfig,
    price: Price,
) -> Replayed:
    """Ask and tell a new study as ``recorded`` was, for as long as the proposals are equal."""
    with study.quiet_optuna():
        again = optuna.create_study(directions=[o.direction for o in space.objectives])
    # By number: the ask or the tell of a trial, or an ask that found nothing.
    events: dict[int, tuple[str, FrozenTrial] | None] = dict.fromkeys(exhausted_asks(recorded))
    for trial in recorded.get_trials(deepcopy=False):
        known = Record.of(trial)
        if known.asked:
            events[known.asked] = ASKED, trial
        if known.told:
            events[known.told] = TOLD, trial
    starts = {session["events"]: session for session in recorded.user_attrs[SESSIONS]}
    proposals: Proposals | None = None
    running: dict[int, Proposal] = {}
    asks = 0
    for number in sorted(events):
        if number - 1 in starts or proposals is None:
            proposals = _driver(again, space, config, price, starts.get(number - 1, {}))
            running = {proposal.number: proposal for proposal in proposals.take_unfinished()}
        event = events[number]
        if event is not None and event[0] == TOLD:
            if event[1].number in running:
                _tell(proposals, running.pop(event[1].number), event[1])
            continue
        proposal = proposals.ask()
        now = (proposal.number, str(proposal.architecture)) if proposal else NOTHING
        then = (event[1].number, Record.of(event[1]).name) if event else NOTHING
        if now != then:
            trial_number = then[0] if event else now[0]
            return Replayed(asks, (trial_number, then[1], now[1]))
        if proposal is not None:
            running[proposal.number] = proposal
            asks += 1
    return Replayed(asks)


def _driver(
    again: optuna.Study,
    space: Space,
    config: SearchConfig,
    price: Price,
    session: Mapping[str, int],
) -> Proposals:
    """Return proposals as a driver begins with them: a new run's, or one that takes a study up.

    Args:
        session: its number of trials and its sampler's seed, as the study has them; early versions
            did not keep the seed, which follows from the trials if none was rejected at an end.
    """
    config = replace(config, trials=session.get("trials", config.trials))
    asked = len(again.get_trials(deepcopy=False))
    seed = mixed_seed(config.seed, asked) % 2**32 if asked else config.seed
    again.sampler = build_sampler(config.sampler, session.get("seed", seed), config.trials)
    proposals = propose(again, space, price, config)
    if asked:
        recover(proposals)
    return proposals


def _tell(proposals: Proposals, proposal: Proposal, trial: FrozenTrial) -> None:
    outcome = Record.of(trial).outcome
    if outcome is None:
        return
    for epoch, value in sorted(trial.intermediate_values.items()):
        proposals.report(proposal, epoch, {proposals.space.objectives[0].metric: value})
    proposals.tell(proposal, outcome)
