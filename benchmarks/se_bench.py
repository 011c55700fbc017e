"""SE-Bench: train every network of a small space several times, and keep all that a search sees.

    python benchmarks/se_bench.py train --data-dir FASHION_MNIST --out se_bench   # hours; goes on
    python benchmarks/se_bench.py pilot --data-dir FASHION_MNIST --out se_bench_pilot

``train`` may be stopped at any time and started again: each finished training is a line of
``results.jsonl``. It trains on one thread a process, with the project's own data, recipe and
training; seeds go round after round, so that a table of one seed is there after a third.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

SEEDS = (0, 1, 2)
# Chosen in the pilot; docs/se_bench.md has its figures.
IMAGE_SIZE, TRAIN, VAL, EPOCHS, BATCH = 10, 6000, 2000, 8, 64
PILOT_NETWORKS = 12


@dataclass(frozen=True)
class Setup:
    """How all networks are trained."""

    data_dir: str
    image_size: int = IMAGE_SIZE
    train: int = TRAIN
    val: int = VAL
    epochs: int = EPOCHS
    batch: int = BATCH


@lru_cache(maxsize=1)
def images(setup: Setup) -> Any:
    """Return the data set, read once a process."""
    from se_nas.data import load

    return load(
        "fashion_mnist",
        setup.data_dir,
        image_size=setup.image_size,
        limit_train=setup.train,
        val_images=setup.val,
    )


def one(setup: Setup, name: str, seed: int) -> dict[str, Any]:
    """Train one network with one seed; return a row."""
    from dataclasses import replace

    from se_nas.training.epoch import NonFiniteLoss
    from se_nas.training.recipes import RECIPES
    from se_nas.training.train import Training

    recipe = replace(RECIPES["search"], batch_size=setup.batch)
    training = Training(name, images(setup), recipe, epochs=setup.epochs, seed=seed, workers=0)
    row: dict[str, Any] = {"name": name, "seed": seed, "val_acc": [], "val_loss": [], "seconds": []}
    try:
        while not training.finished:
            began = time.process_time()
            metrics = training.epoch()
            row["seconds"].append(time.process_time() - began)
            row["val_acc"].append(metrics.val_acc)
            row["val_loss"].append(metrics.val_loss)
        tested = training.test()
        row["test_acc"], row["test_loss"] = tested.accuracy, tested.loss
    except NonFiniteLoss as error:
        row["end"] = str(error)
    return row


def begin() -> None:
    """Prepare a process: one thread, and the lowest priority, for other work goes first."""
    import torch

    torch.set_num_threads(1)
    os.nice(19)


def work(job: tuple[Setup, str, int]) -> dict[str, Any]:
    """Train one job; at the top of the module, as a pool needs it."""
    return one(*job)


def networks() -> list[str]:
    """Return the names of the space's networks, in an order that is no order."""
    from se_nas.bench.space import SPACE

    found = {architecture.id: str(architecture) for architecture in SPACE}
    names = sorted(found.values())
    random.Random(0).shuffle(names)
    return names


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of a file of results."""
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue  # cut by a kill; trained again


def train(setup: Setup, names: list[str], out: Path, processes: int, minutes: float) -> None:
    """Train what is not there yet, for so many minutes at most."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "results.jsonl"
    done = {(row["name"], row["seed"]) for row in read(path)}
    jobs = [(setup, name, seed) for seed in SEEDS for name in names if (name, seed) not in done]
    print(f"{len(done)} trainings are there, {len(jobs)} to go", flush=True)
    end, began = time.monotonic() + 60 * minutes, time.monotonic()
    context = multiprocessing.get_context("spawn")
    with path.open("a") as file, context.Pool(processes, begin) as pool:
        if path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            file.write("\n")
        for number, row in enumerate(pool.imap_unordered(work, jobs), 1):
            file.write(json.dumps(row) + "\n")
            file.flush()
            if number % 20 == 0:
                left = (time.monotonic() - began) / number * (len(jobs) - number) / 60
                print(f"{number} of {len(jobs)}, {left:.0f} min left", flush=True)
            if time.monotonic() > end:
                pool.terminate()
                break


def reliability(rows: list[dict[str, Any]], key: str) -> tuple[float, float, float]:
    """Return the deviations between networks and between seeds, and the ICC of a mean of seeds."""
    by: dict[str, list[float]] = {}
    for row in rows:
        if "test_acc" in row:
            by.setdefault(row["name"], []).append(row[key][-1] if key != "test_acc" else row[key])
    groups = [values for values in by.values() if len(values) == len(SEEDS)]
    within = statistics.fmean(statistics.variance(values) for values in groups)
    between = statistics.variance([statistics.fmean(values) for values in groups])
    true = max(0.0, between - within / len(SEEDS))
    return true**0.5, within**0.5, true / between


def report(rows: list[dict[str, Any]]) -> None:
    """Print the reliability and the means of some networks."""
    for key in ("val_acc", "test_acc"):
        true, seeds, icc = reliability(rows, key)
        print(f"{key}: networks ± {100 * true:.2f}, seeds ± {100 * seeds:.2f}, ICC(3) {icc:.2f}")
    seconds = [sum(row["seconds"]) for row in rows]
    print(f"{statistics.fmean(seconds):.1f} s of CPU time a training")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("pilot", "train", "report"))
    parser.add_argument("--data-dir", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--out", type=Path, default=Path("se_bench"))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, default=24 * 60)
    for field in ("image_size", "train", "val", "epochs", "batch"):
        parser.add_argument(f"--{field.replace('_', '-')}", type=int, default=getattr(Setup, field))
    given = parser.parse_args()
    setup = Setup(
        given.data_dir, given.image_size, given.train, given.val, given.epochs, given.batch
    )
    names = networks()
    if given.command == "pilot":
        names = names[:PILOT_NETWORKS]
    if given.command != "report":
        train(setup, names, given.out, given.processes, given.minutes)
    report(list(read(given.out / "results.jsonl")))


if __name__ == "__main__":
    main()
