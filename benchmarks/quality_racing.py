"""What racing the finals brings: the same number of trainings, raced or shared out equally.

    python benchmarks/quality_racing.py

Made-up candidates whose true values spread by a share of what seeds spread by; two controls take
part at the end. Printed is the mean true regret of the network with the best mean, in deviations of
a seed, with 95 %, for a budget as of ``--final-runs``.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from se_nas.search.finals.racing import Budget, worse

CONTROLS, SEEDS = 2, 3


def raced(truths: list[float], rng: random.Random, runs: int) -> tuple[int, int]:
    """Race; return the winner and its seeds."""
    budget = Budget(SEEDS, runs)
    alive, spent = set(range(len(truths))), 0
    values: dict[int, list[float]] = {key: [] for key in alive}
    while True:
        done = len(values[min(alive)])
        count = budget.next_round(len(alive), done, spent, CONTROLS)
        if count == 0 or (len(alive) == 1 and done):
            break
        for key in alive:
            values[key] += [truths[key] + rng.gauss(0, 1) for _ in range(count)]
        spent += count * len(alive)
        alive -= worse({key: values[key] for key in alive})
    best = max(alive, key=lambda key: statistics.fmean(values[key]))
    return best, budget.last_round(len(values[best]), spent, CONTROLS)


def shared(truths: list[float], rng: random.Random, runs: int) -> tuple[int, int]:
    """Train all equally often; return the winner and its seeds."""
    seeds = max(1, runs // (len(truths) + CONTROLS))
    means = [true + rng.gauss(0, seeds**-0.5) for true in truths]
    return max(range(len(truths)), key=means.__getitem__), seeds


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--candidates", type=int, default=5)
    parser.add_argument("--runs", type=int, nargs="*", default=[21, 35, 70])
    given = parser.parse_args()
    print("spread  runs  how     regret (± 95 %)   seeds of the winner and its controls")
    for spread in (0.5, 1.0, 2.0):
        for runs in given.runs:
            for how in (raced, shared):
                regrets, seeds = [], []
                for repeat in range(given.repeats):
                    rng = random.Random(repeat)
                    truths = [rng.gauss(0, spread) for _ in range(given.candidates)]
                    winner, count = how(truths, rng, runs)
                    regrets.append(max(truths) - truths[winner])
                    seeds.append(count)
                half = 1.96 * statistics.stdev(regrets) / given.repeats**0.5
                print(
                    f"{spread:6.1f} {runs:5} {how.__name__:7} {statistics.fmean(regrets):.3f} "
                    f"± {half:.3f}   {statistics.fmean(seeds):9.1f}"
                )


if __name__ == "__main__":
    main()
