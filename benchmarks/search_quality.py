"""How good searches are: regret of the network believed best, against trials and simulated hours.

    python benchmarks/search_quality.py run --table accel_nasbench.csv --out quality
    python benchmarks/search_quality.py report --out quality

Asynchronous workers on a made-up clock train for the times that a table has. The protocol is in
docs/search_quality.md. ``run`` may be stopped and goes on: every repeat is a line of results.
"""

from __future__ import annotations

import argparse
import heapq
import json
import multiprocessing
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from quality_levers import LEVERS
from quality_methods import METHODS
from quality_report import report, write_csv, write_plot
from quality_tables import KINDS, Problem, accel, synthetic
from quality_whole import se_bench

TRIALS, REPEATS = 200, 30
FIRST_SEED = 100  # what was tried out while the sampler was built had those before
CHECKS = (10, 15, 20, 30, 40, 50, 60, 70, 80, 100, 120, 150, 175, 200)


def replay(problem: Problem, method: str, seed: int, workers: int, trials: int) -> dict[str, Any]:
    """Search once; return regrets by trial and by hour."""
    searcher = (METHODS | LEVERS)[method](problem, seed)
    rng = random.Random(f"noise {seed}")
    clock, started, done = 0.0, 0, 0
    running: list[tuple[float, int, Any]] = []
    found: dict[str, Any] = {"trials": [], "hours": [], "regret": [], "failed": 0}

    def start() -> None:
        nonlocal started
        if started < trials:
            candidate = searcher.ask()
            started += 1
            heapq.heappush(running, (clock + problem.seconds(candidate.value), started, candidate))

    for _ in range(workers):
        start()
    while running:
        clock, _, candidate = heapq.heappop(running)
        if problem.fails(candidate.value):
            found["failed"] += 1
            searcher.tell(candidate, None)
        else:
            searcher.tell(candidate, problem.truth(candidate.value) + rng.gauss(0, problem.noise))
        done += 1
        if done in CHECKS:
            best = problem.truth(searcher.best().value)
            found["trials"].append(done)
            found["hours"].append(clock / 3600)
            found["regret"].append(problem.best - best)
        start()
    return found


def problems(table: Path | None, out: Path, kinds: list[str]) -> dict[str, Callable[[], Problem]]:
    """Return the makers of problems."""
    made: dict[str, Callable[[], Problem]] = {kind: (lambda k=kind: synthetic(k)) for kind in KINDS}
    made["se_bench_whole"] = se_bench
    if table is not None:
        made["accel"] = lambda: accel(table, out / "accel.npz")
    return {name: make for name, make in made.items() if not kinds or name in kinds}


_problem: Problem | None = None


def begin(table: Path | None, out: Path, name: str) -> None:
    """Prepare a process for one problem."""
    global _problem
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    os.nice(5)
    _problem = problems(table, out, [name])[name]()


def work(job: tuple[str, int, int, int]) -> dict[str, Any]:
    """Do one repeat."""
    method, seed, workers, trials = job
    assert _problem is not None
    found = replay(_problem, method, seed, workers, trials)
    return {"table": _problem.name, "method": method, "workers": workers, "seed": seed} | found


def run(given: argparse.Namespace) -> None:
    """Do what is not there yet."""
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "results.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(r["table"], r["method"], r["workers"], r["seed"]) for r in rows}
    for name in problems(given.table, given.out, given.problems):
        jobs = [
            (method, seed, workers, given.trials)
            for seed in range(given.first_seed, given.first_seed + given.repeats)
            for workers in given.workers
            for method in given.methods
            if (name, method, workers, seed) not in done
        ]
        context = multiprocessing.get_context("spawn")
        if name == "accel" and jobs:
            accel(given.table, given.out / "accel.npz")  # fitted once
        if jobs:
            with (
                context.Pool(given.processes, begin, (given.table, given.out, name)) as pool,
                path.open("a") as file,
            ):
                for row in pool.imap_unordered(work, jobs):
                    file.write(json.dumps(row) + "\n")
                    file.flush()


def show(given: argparse.Namespace) -> None:
    """Report what is there."""
    rows = [json.loads(line) for line in (given.out / "results.jsonl").read_text().splitlines()]
    rows = [row for row in rows if not given.problems or row["table"] in given.problems]
    report(rows)
    if given.csv:
        write_csv(rows, given.csv)
    if given.plot:
        write_plot(rows, given.plot)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("run", "report"))
    parser.add_argument("--table", type=Path)
    parser.add_argument("--out", type=Path, default=Path("quality"))
    parser.add_argument("--problems", nargs="*", default=[])
    parser.add_argument("--methods", nargs="*", default=[m for m in METHODS if m != "gp-flat"])
    parser.add_argument("--workers", nargs="*", type=int, default=[8])
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    if given.command == "run":
        run(given)
    show(given)


if __name__ == "__main__":
    main()
