"""Searches of SE-Bench with early stopping, replayed: ours, and stock Ray Tune with OptunaSearch.

    python benchmarks/quality_se_bench.py run --out quality
    python benchmarks/search_quality.py report --out quality --problems se_bench

A trial is one training of the table, epoch by epoch on the made-up clock. The trainings of a search
all have one seed; what it found is judged by the other two, so that luck in a search's own
trainings counts for nothing. The regret is against the table's best, which owes some to luck
itself: nobody comes to 0.

All stop by Ray's own ASHA: ours and its relatives from half of the epochs on and by halves, as the
search does, ``stock`` by Ray's defaults, from the first epoch on and by quarters. ``stock`` is
Optuna's TPE as OptunaSearch makes it: what was stopped is told as complete with its last value, and
networks are trained again. ``without-rungs`` is ours that learns nothing from trials that stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import TrialState
from quality_methods import tpe
from ray.tune.schedulers import ASHAScheduler
from search_quality import CHECKS, FIRST_SEED

from se_nas import AdditiveSampler, Architecture
from se_nas.bench import Network, SEBench, SimulatedWorkers, Training, load
from se_nas.bench.space import SPACE
from se_nas.cost.network_cost import Cost, cost

EPOCHS, TRIES, TRIALS = 8, 20, 200
OURS = {"grace_period": 4, "reduction_factor": 2}
RAY = {"grace_period": 1, "reduction_factor": 4}


def price(architecture: Architecture) -> Cost:
    """Return the cost on the images of the table."""
    return cost(architecture, input_size=10, in_channels=1, num_classes=10)


@dataclass
class Running:
    """A trial: a training of the table, and how far it is."""

    trial: optuna.Trial
    network: Network
    training: Training
    epoch: int = 0

    @property
    def seconds(self) -> float:
        """Of one epoch."""
        return self.network.seconds / EPOCHS


@dataclass
class Search:
    """One searcher on the table."""

    bench: SEBench
    method: str
    seed: int
    known: set[str] = field(default_factory=set)
    values: list[tuple[float, Network]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(f"{self.method} {self.seed}")
        self.own = self.seed % len(self.bench.networks[0].trainings)  # of the trainings searched
        self.sampler: BaseSampler = {
            "additive": lambda: AdditiveSampler(SPACE, price, seed=self.seed),
            "without-rungs": lambda: AdditiveSampler(SPACE, price, seed=self.seed),
            "tpe": lambda: tpe(self.seed),
            "random": lambda: RandomSampler(self.seed),
            "stock": lambda: TPESampler(seed=self.seed),
        }[self.method]()
        self.stock = self.method == "stock"
        self.study = optuna.create_study(direction="maximize", sampler=self.sampler)
        rungs = RAY if self.stock else OURS
        self.asha = ASHAScheduler(
            time_attr="epoch", metric="val_acc", mode="max", max_t=EPOCHS, **rungs
        )

    def start(self) -> Running:
        """Propose a network, new but for ``stock``."""
        for _ in range(TRIES):
            trial = self.study.ask()
            network = self.bench[SPACE.suggest(trial)]
            if self.stock or network.architecture.id not in self.known:
                return self._running(trial, network)
            self.study.tell(trial, state=TrialState.PRUNED)
        unknown = [n for n in self.bench if n.architecture.id not in self.known]
        network = self.rng.choice(unknown)
        self.study.enqueue_trial(SPACE.decisions(network.architecture) or {})
        trial = self.study.ask()
        SPACE.suggest(trial)
        return self._running(trial, network)

    def _running(self, trial: optuna.Trial, network: Network) -> Running:
        self.known.add(network.architecture.id)
        self.asha.on_trial_add(None, _ray(trial))  # type: ignore[arg-type]
        return Running(trial, network, network.trainings[self.own])

    def goes_on(self, running: Running) -> bool:
        """Take in an epoch; tell the trial if it ended."""
        running.epoch += 1
        value = running.training.val_acc[running.epoch - 1]
        if self.method != "without-rungs":
            running.trial.report(value, running.epoch)
        result = {"epoch": running.epoch, "val_acc": value}
        action = self.asha.on_trial_result(None, _ray(running.trial), result)  # type: ignore[arg-type]
        whole = running.epoch == EPOCHS
        if action != "STOP" and not whole:
            return True
        if whole or self.stock:
            self.values.append((value, running.network))
            self.study.tell(running.trial, value)
        else:
            self.study.tell(running.trial, state=TrialState.PRUNED)
        return False

    def judged(self, network: Network) -> float:
        """Return a network's accuracy in the test, by the seeds not searched, in points."""
        others = [t for i, t in enumerate(network.trainings) if i != self.own]
        return 100 * statistics.fmean(t.test_acc for t in others)

    def best(self) -> Network | None:
        """Return the network believed best: ours by its model, others by the best value."""
        if isinstance(self.sampler, AdditiveSampler):
            ranking = self.sampler.ranking(self.study)
            if ranking:
                trial = self.study.get_trials(deepcopy=False)[ranking[0].number]
                return self.bench[SPACE.draw(lambda path, _: trial.params[path])]
        return max(self.values, key=lambda pair: pair[0])[1] if self.values else None


def _ray(trial: optuna.Trial) -> Any:
    return SimpleNamespace(trial_id=str(trial.number))


def replay(bench: SEBench, method: str, seed: int, workers: int, trials: int) -> dict[str, Any]:
    """Search once; return regrets in points by ended trial and by hour."""
    search, at_work = Search(bench, method, seed), SimulatedWorkers[Running](workers)
    started = done = 0
    found: dict[str, Any] = {"trials": [], "hours": [], "regret": [], "failed": 0}
    while done < trials:
        while at_work.idle and started < trials:
            running = search.start()
            started += 1
            at_work.start(running, running.seconds)
        running = at_work.wait()
        if search.goes_on(running):
            at_work.start(running, running.seconds)
            continue
        done += 1
        best = search.best() if done in CHECKS else None
        if best is not None:
            found["trials"].append(done)
            found["hours"].append(at_work.clock / 3600)
            found["regret"].append(100 * bench.best.test_acc - search.judged(best))
    names = {"table": "se_bench", "method": method, "workers": workers, "seed": seed}
    return names | found


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=("run",))
    parser.add_argument("--out", type=Path, default=Path("quality"))
    parser.add_argument("--file", type=Path, help="another table than the packaged one")
    parser.add_argument("--methods", nargs="*", default=["additive", "stock", "tpe", "random"])
    parser.add_argument("--workers", nargs="*", type=int, default=[8])
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    os.nice(5)
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "results.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(r["table"], r["method"], r["workers"], r["seed"]) for r in rows}
    bench = load(given.file) if given.file else load()
    with path.open("a") as file:
        for seed in range(given.first_seed, given.first_seed + given.repeats):
            for workers in given.workers:
                for method in given.methods:
                    if ("se_bench", method, workers, seed) not in done:
                        row = replay(bench, method, seed, workers, given.trials)
                        file.write(json.dumps(row) + "\n")
                        file.flush()


if __name__ == "__main__":
    main()
