"""Truth and worth of what the sampler is told: our search against stock OptunaSearch and ASHA.

python benchmarks/search_statistics.py
python benchmarks/search_statistics.py --tpe        what the settings of TPE are worth in ours

A made-up objective over a real space: every decision has a seeded worth, heavier networks are
better, and the heaviest run out of memory. Learning curves rise to the final value. Nothing trains
and no cluster starts: both searchers and schedulers are called as Tune's controller calls them,
with workers of a made-up clock. The seeds of the arms are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import math
import random
import statistics
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

import optuna
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import TrialState
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch
from search_common import machine

from se_nas import SE, Architecture, Space, choice, optional, per_stage, trunk
from se_nas.cost.network_cost import Cost, cost
from se_nas.search.study.additive_sampler import AdditiveSampler
from se_nas.search.study.proposals import Proposals
from se_nas.search.study.samplers import build_sampler
from se_nas.search.tuning.asha import ResumableASHA
from se_nas.search.tuning.searcher import StudySearcher

EPOCHS, FIRST_RUNG, WARM = 8, 4, 100
SPACE = Space(
    "synthetic",
    trunk=trunk("resnet8_small", width=choice(8, 12, 16, 24)),
    se=per_stage(
        optional(
            SE(
                reduction=choice(2, 4, 8),
                placement=choice("standard", "pre", "identity"),
                gate=choice("sigmoid", "two_sigmoid"),
            )
        )
    ),
)


@cache
def price(architecture: Architecture) -> Cost:
    """Return the cost on images of 32 px."""
    return cost(architecture, input_size=32, in_channels=3, num_classes=10)


@cache
def limit() -> float:
    """Return the parameters from which a network runs out of memory: 13 % of draws do."""
    drawn = sorted(price(SPACE.sample(i)).params for i in range(2000))
    return drawn[int(0.87 * len(drawn))]


def out_of_memory(architecture: Architecture) -> bool:
    """Return whether a network is in the region that no worker can train."""
    return price(architecture).params > limit()


def worth(architecture: Architecture, seed: int) -> float:
    """Return the final accuracy in [0, 1], from the worth of each decision and the parameters."""
    decisions = SPACE.decisions(architecture) or {}
    parts = [_unit(f"{seed}{path}{label}") for path, label in decisions.items()]
    size = math.log(price(architecture).params / limit())
    return 1 / (1 + math.exp(-(statistics.fmean(parts) * 6 - 3 + 0.8 * size)))


def curve(architecture: Architecture, epoch: int, seed: int) -> float:
    """Return validation accuracy after an epoch, with some noise that depends on both."""
    noise = 0.02 * (_unit(f"{seed}{architecture.id}{epoch}") - 0.5)
    return worth(architecture, seed) * (1 - 0.6 * math.exp(-epoch / 2.5)) + noise


def _unit(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32


@dataclass
class Seen:
    """Record of a run: what happened to each trial, whatever the sampler was told."""

    architectures: list[Architecture] = field(default_factory=list[Architecture])
    truth: list[str] = field(default_factory=list[str])
    best: float = 0.0


def drive(searcher: Any, scheduler: Any, read: Any, trials: int, slots: int, seed: int) -> Seen:
    """Call both as Tune does, with ``slots`` workers; heavier networks have longer epochs.

    Args:
        read: a configuration → its architecture.
    """
    seen, clock, order = Seen(), 0.0, 0
    events: list[tuple[float, int, Any]] = []
    controller: Any = None

    def start() -> None:
        nonlocal order
        if len(seen.architectures) >= trials:
            return
        order += 1
        config = searcher.suggest(f"t{order}")
        if not isinstance(config, dict):
            return
        architecture = read(config)
        trial = SimpleNamespace(trial_id=f"t{order}", epoch=0, config=config, at=len(seen.truth))
        seen.architectures.append(architecture)
        seen.truth.append("")
        scheduler.on_trial_add(controller, trial)
        heapq.heappush(events, (clock + _seconds(architecture), order, trial))

    for _ in range(slots):
        start()
    while events:
        clock, number, trial = heapq.heappop(events)
        architecture = seen.architectures[trial.at]
        trial.epoch += 1
        if out_of_memory(architecture):
            seen.truth[trial.at] = "out_of_memory"
            end = {"end": "out_of_memory", "epoch": 0, "val_acc": 0.0}
            ours = isinstance(searcher, StudySearcher)
            searcher.on_trial_complete(trial.trial_id, end if ours else None, error=not ours)
            start()
            continue
        result = {"epoch": trial.epoch, "val_acc": curve(architecture, trial.epoch, seed)}
        result["training_iteration"] = trial.epoch
        last = trial.epoch >= EPOCHS
        decision = scheduler.on_trial_result(controller, trial, result)
        if last or decision == TrialScheduler.STOP:
            seen.truth[trial.at] = "complete" if last else "stopped_early"
            if last:
                seen.best = max(seen.best, worth(architecture, seed))
            scheduler.on_trial_complete(controller, trial, result)
            searcher.on_trial_complete(trial.trial_id, result)
            start()
        else:
            searcher.on_trial_result(trial.trial_id, result)
            heapq.heappush(events, (clock + _seconds(architecture), number, trial))
    return seen


def _seconds(architecture: Architecture) -> float:
    return 1 + price(architecture).macs / 1e7


def ours(
    trials: int, slots: int, seed: int, sampler: BaseSampler | None = None
) -> dict[str, float]:
    """Drive our searcher over ``Proposals``, with the scheduler of our searches."""
    sampler = sampler or build_sampler("additive", seed, trials)
    if isinstance(sampler, AdditiveSampler):
        sampler = sampler.on(SPACE, price)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    proposals = Proposals(study, SPACE, price, trials=trials, seed=seed)
    searcher = StudySearcher(proposals, EPOCHS)
    scheduler = ResumableASHA(
        [], metric="val_acc", mode="max", max_t=EPOCHS, grace_period=FIRST_RUNG
    )
    read = lambda config: Architecture.from_json(config["architecture"])  # noqa: E731
    seen = drive(searcher, scheduler, read, trials, slots, seed)
    told = [t for t in study.trials if "architecture" in t.user_attrs]
    repeated = proposals.counts.duplicates / len(study.trials)
    return figures(seen, told) | {"duplicates proposed": repeated}


def stock(trials: int, slots: int, seed: int) -> dict[str, float]:
    """Drive OptunaSearch and ASHAScheduler at their defaults, same space and rungs."""

    def define(trial: optuna.Trial) -> None:
        SPACE.suggest(trial)

    searcher = OptunaSearch(define, metric="val_acc", mode="max", seed=seed)
    scheduler: Any = ASHAScheduler(
        time_attr="epoch",
        metric="val_acc",
        mode="max",
        max_t=EPOCHS,
        grace_period=FIRST_RUNG,
        reduction_factor=2,
    )
    read = lambda config: SPACE.draw(lambda path, _: config[path])  # noqa: E731
    seen = drive(searcher, scheduler, read, trials, slots, seed)
    told = searcher._ot_study.trials
    found = figures(seen, told)
    return found | {"duplicates proposed": found["duplicates trained"]}


def figures(seen: Seen, told: list[optuna.trial.FrozenTrial]) -> dict[str, float]:
    """Return shares in [0, 1], and the best final value that was trained to its end."""
    states = {
        "complete": lambda t: t.state is TrialState.COMPLETE,
        "stopped_early": lambda t: t.state is TrialState.PRUNED,
        "out_of_memory": lambda t: any(v > 0 for v in t.constraints.values()),
    }
    true = [states[truth](t) for truth, t in zip(seen.truth, told, strict=True)]
    ids = [a.id for a in seen.architectures]
    late = [out_of_memory(a) for a in seen.architectures[WARM:]]
    return {
        "told as they were": statistics.fmean(true),
        "duplicates trained": 1 - len(set(ids)) / len(ids),
        f"out of memory after {WARM}": statistics.fmean(late),
        "best value": seen.best,
    }


def table(arms: dict[str, Callable[[int], dict[str, float]]], seeds: int) -> None:
    """Print means over the seeds, arms in turn."""
    told: dict[str, list[dict[str, float]]] = {name: [] for name in arms}
    for seed in range(seeds):
        for name, arm in arms.items():
            told[name].append(arm(seed))
    columns = list(next(iter(told.values()))[0])
    print(f"{'':<44}" + "".join(f"{c:>25}" for c in columns))
    for name, rows in told.items():
        means = [statistics.fmean(row[c] for row in rows) for c in columns]
        print(f"{name:<44}" + "".join(f"{mean:25.3f}" for mean in means))


def main() -> None:
    """Compare ours with stock, or the settings of TPE, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tpe", action="store_true", help="compare the settings of TPE")
    asked = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    rng = random.Random(0)
    share = statistics.fmean(out_of_memory(SPACE.sample(rng)) for _ in range(2000))
    print(
        f"{machine()}; "
        f"{SPACE.size:,} points, {asked.trials} trials, {asked.slots} workers, "
        f"{asked.seeds} seeds; {100 * share:.0f} % of random draws run out of memory"
    )
    given = asked.trials, asked.slots
    if not asked.tpe:
        arms: dict[str, Callable[[int], dict[str, float]]] = {
            "ours": lambda s: ours(*given, s),
            "ours with TPE": lambda s: ours(*given, s, build_sampler("tpe", s, asked.trials)),
            "stock": lambda s: stock(*given, s),
        }
        table(arms, asked.seeds)
        return
    arms = {}
    for multivariate, group in ((True, False), (True, True), (False, False)):
        for liar in (True, False):
            name = f"multivariate={multivariate} group={group} liar={liar}"
            arms[name] = lambda seed, m=multivariate, g=group, c=liar: ours(
                *given,
                seed,
                TPESampler(
                    seed=seed, n_startup_trials=10, multivariate=m, group=g, constant_liar=c
                ),
            )
    arms["random"] = lambda seed: ours(*given, seed, optuna.samplers.RandomSampler(seed=seed))
    table(arms, asked.seeds)


if __name__ == "__main__":
    main()
