"""How often the intervals of effects have the truth in them, on made-up functions.

    python benchmarks/effect_coverage.py --repeats 20

Each repeat is a search of a function whose truth is known, with networks drawn at random or by the
sampler that learns. The true effect is the same average of differences without noise. Protocol and
figures: docs/search_quality.md.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from quality_methods import METHODS
from quality_tables import KINDS, Problem, synthetic
from quality_whole import in_table, se_bench

from se_nas.additive.candidates import at_random
from se_nas.additive.contrasts import Contrasts
from se_nas.additive.effects import Change, changes_of, effects
from se_nas.additive.features import of_architecture

NETWORKS, WORKERS, FUNCTIONS = 128, 8, 5


@dataclass(frozen=True)
class Covered:
    """One interval: whether the truth is in it, its half width, and what it claims."""

    trials: int
    has_truth: bool
    half: float
    claims: bool
    is_wrong: bool


def search(problem: Problem, method: str, seed: int, trials: list[int]) -> Iterator[Covered]:
    """Search once, and compare the effects with the truth at each number of trials."""
    rng, noise = random.Random(0), random.Random(f"noise {seed}")
    changes = list(known_changes(problem, rng))
    truths = [statistics.fmean(problem.truth(a) - problem.truth(b) for b, a in c.pairs)
              for c in changes]  # fmt: skip
    searcher = METHODS[method](problem, seed)
    running: list[Any] = []
    networks, values = [], []
    while len(values) < max(trials):
        if len(values) + len(running) < max(trials) and len(running) < WORKERS:
            running.append(searcher.ask())
            continue
        candidate = running.pop(0)
        value = problem.truth(candidate.value) + noise.gauss(0, problem.noise)
        searcher.tell(candidate, value)
        networks.append(of_architecture(candidate.value))
        values.append(value)
        if len(values) in trials:
            yield from compare(problem, changes, truths, Contrasts(networks, values))


def known_changes(problem: Problem, rng: random.Random) -> Iterator[Change]:
    """Yield the changes of random networks whose truth is known before and after."""
    for change in changes_of([at_random(problem.draw, rng).value for _ in range(NETWORKS)]):
        pairs = tuple(p for p in change.pairs if all(in_table(problem, each) for each in p))
        if pairs:
            yield replace(change, pairs=pairs)


def compare(
    problem: Problem, changes: list[Change], truths: list[float], contrasts: Contrasts
) -> Iterator[Covered]:
    """Compare intervals with the truth."""
    assert problem.price is not None
    for effect, true in zip(effects(changes, contrasts, problem.price), truths, strict=True):
        worth = effect.worth
        yield Covered(
            contrasts.trials,
            worth.low <= true <= worth.high,
            worth.half,
            worth.sign != 0,
            worth.sign * true < 0 or (worth.sign != 0 and true == 0),
        )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = ["se_bench", *(kind for kind in KINDS if kind != "memory")]
    parser.add_argument("--kinds", nargs="*", choices=kinds, default=kinds)
    parser.add_argument("--methods", nargs="*", default=["random", "additive"])
    parser.add_argument("--trials", nargs="*", type=int, default=[30, 60, 100])
    parser.add_argument("--repeats", type=int, default=20)
    given = parser.parse_args()
    print("function  method    trials  covered %  median half  claims %  wrong claims %")
    for kind in given.kinds:
        problems = (
            [se_bench()]
            if kind == "se_bench"
            else [synthetic(kind, seed=s) for s in range(FUNCTIONS)]
        )
        for method in given.methods:
            found = [
                covered
                for seed in range(given.repeats)
                for covered in search(
                    problems[seed % len(problems)], method, 1000 + seed, given.trials
                )
            ]
            for trials in given.trials:
                part = [c for c in found if c.trials == trials]
                share = [100 * statistics.fmean(getattr(c, name) for c in part)
                         for name in ("has_truth", "claims", "is_wrong")]  # fmt: skip
                half = statistics.median(c.half for c in part)
                print(
                    f"{kind:9} {method:9} {trials:6} {share[0]:10.1f} {half:12.2f} "
                    f"{share[1]:9.1f} {share[2]:15.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
