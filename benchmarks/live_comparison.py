"""Real searches on Fashion-MNIST in equal wall time: ours, and stock Ray Tune with OptunaSearch.

    python benchmarks/live_comparison.py run --data-dir FASHION_MNIST --out live --minutes 8
    python benchmarks/live_comparison.py report --out live

Both search the same space with the same training code and data on this machine, in turn. Ours is
``run_search(hours=…)`` as it comes, finals and the start of Ray in its time. ``stock`` is a
training function with OptunaSearch and ASHA at their defaults, as Ray's documentation shows them,
for as long; its winner has the best last accuracy. Each winner is then trained with five fresh
seeds and tested once with each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from search_common import QUIET, machine, prepare_stock

from se_nas import SE, Architecture, Space, choice, optional, per_stage, trunk

WIDTHS, REDUCTIONS = (8, 12, 16, 20), (2, 4, 8, 16)
PLACEMENTS, SQUEEZES = ("standard", "pre", "post"), ("avg", "max")
GATES = ("sigmoid", "two_sigmoid", "hard_sigmoid")
STAGES, EPOCHS, BATCH, SLOTS = (2, 3, 4), 8, 64, 2
IMAGES: dict[str, Any] = {"image_size": 14, "limit_train": 6000, "val_images": 2000}
FRESH = (101, 102, 103, 104, 105)
ARMS = ("ours", "stock")

SPACE = Space(
    "live",
    trunk=trunk("resnet8_small", width=choice(*WIDTHS)),
    se=per_stage(
        optional(
            SE(
                reduction=choice(*REDUCTIONS),
                placement=choice(*PLACEMENTS),
                squeeze=choice(*SQUEEZES),
                gate=choice(*GATES),
            )
        )
    ),
)


def ours(data_dir: str, minutes: float, seed: int, out: str) -> tuple[str, int]:
    """Search with the plugin; return the winner's name and how many networks were trained."""
    from se_nas import run_search

    found = run_search(
        SPACE, "fashion_mnist", data_dir=data_dir, **IMAGES, hours=minutes / 60, epochs=EPOCHS,
        batch_size=BATCH, gpus=0, dashboard=False, out=out, seed=seed, progress=False,
    )  # fmt: skip
    assert found.winner is not None
    return str(found.winner), len(found.trials)


def architecture(config: dict[str, Any]) -> Architecture:
    """Return the network of a stock trial."""
    each = [
        SE(config[f"reduction.{i}"], config[f"placement.{i}"], config[f"squeeze.{i}"],
           config[f"gate.{i}"]) if config[f"se.{i}"] else None
        for i in STAGES
    ]  # fmt: skip
    plain = Architecture.parse(f"resnet8_small-width{config['width']}")
    return Architecture(plain.trunk, tuple(each))


def stock(data_dir: str, minutes: float, seed: int, out: str) -> tuple[str, int]:
    """Search with Ray Tune; return as ``ours``."""
    prepare_stock()
    images = dict(IMAGES)
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    def train(config: dict[str, Any]) -> None:
        import torch

        torch.set_num_threads(1)
        training = start(data_dir, str(architecture(config)), seed, images)
        while not training.finished:
            tune.report({"val_acc": training.epoch().val_acc})

    began = time.monotonic()
    ray.init("local", num_cpus=SLOTS, **QUIET)
    space = {"width": tune.choice(list(WIDTHS))}
    for i in STAGES:
        space |= {
            f"se.{i}": tune.choice([False, True]),
            f"reduction.{i}": tune.choice(list(REDUCTIONS)),
            f"placement.{i}": tune.choice(list(PLACEMENTS)),
            f"squeeze.{i}": tune.choice(list(SQUEEZES)),
            f"gate.{i}": tune.choice(list(GATES)),
        }
    results = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="val_acc",
            mode="max",
            search_alg=OptunaSearch(seed=seed),
            scheduler=ASHAScheduler(max_t=EPOCHS),
            num_samples=-1,
            time_budget_s=60 * minutes - (time.monotonic() - began),
            max_concurrent_trials=SLOTS,
        ),
        run_config=tune.RunConfig(storage_path=out, verbose=0),
    ).fit()
    told = [r for r in results if r.metrics and "val_acc" in r.metrics]
    if not told:
        raise SystemExit(f"no trial reported anything: {results.errors[:1]}")
    best = max(told, key=lambda r: r.metrics["val_acc"])  # type: ignore[index]
    assert best.config is not None
    return str(architecture(best.config)), len(told)


def start(data_dir: str, name: str, seed: int, images: dict[str, Any]) -> Any:
    """Return a training that has not begun."""
    from dataclasses import replace

    from se_nas.data import load
    from se_nas.training.recipes import RECIPES
    from se_nas.training.train import Training

    recipe = replace(RECIPES["search"], batch_size=BATCH)
    data = load("fashion_mnist", data_dir, **images)
    return Training(name, data, recipe, epochs=EPOCHS, seed=seed, workers=0)


def test(data_dir: str, name: str, seed: int, images: dict[str, Any]) -> float:
    """Train a network with a fresh seed; return its accuracy in the test."""
    import torch

    torch.set_num_threads(1)
    training = start(data_dir, name, seed, images)
    while not training.finished:
        training.epoch()
    return float(training.test().accuracy)


def child(arm: str, given: argparse.Namespace) -> dict[str, Any]:
    """Search once in this process."""
    with tempfile.TemporaryDirectory() as out:
        began = time.monotonic()
        search = ours if arm == "ours" else stock
        name, count = search(given.data_dir, given.minutes, given.seed, out)
        minutes = (time.monotonic() - began) / 60
    return {"arm": arm, "seed": given.seed, "winner": name, "trials": count, "minutes": minutes}


def run(given: argparse.Namespace) -> None:
    """Search in turn, then test the winners; what is there already is kept."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "live.jsonl"
    rows = read(path)
    for seed in range(given.repeats):
        for arm in ARMS if seed % 2 else ARMS[::-1]:
            if any((row["arm"], row["seed"]) == (arm, seed) for row in rows):
                continue
            command = [sys.executable, __file__, "run", "--child", arm, "--seed", str(seed),
                       "--minutes", str(given.minutes), "--data-dir", given.data_dir,
                       "--train", str(given.train), "--val", str(given.val)]  # fmt: skip
            log = (given.out / f"{arm}{seed}.log").open("w")
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=log)
            row = json.loads(done.stdout.decode().strip().splitlines()[-1])
            print(row, flush=True)
            with ProcessPoolExecutor(SLOTS, mp_context=get_context("spawn")) as pool:
                jobs = [
                    pool.submit(test, given.data_dir, row["winner"], fresh, IMAGES)
                    for fresh in FRESH
                ]
                row["test_accs"] = [job.result() for job in jobs]
            with path.open("a") as file:
                file.write(json.dumps(row | {"machine": machine()}) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the searches that are done."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def report(rows: list[dict[str, Any]]) -> None:
    """Print the table, and the difference with its interval."""
    from scipy.stats import t

    print(f"{rows[0]['machine']}\n\n| | seed | winner | trained | min | test, % (five seeds) |")
    print("|---|---|---|---|---|---|")
    means: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for row in sorted(rows, key=lambda row: (row["arm"], row["seed"])):
        accs = [100 * acc for acc in row["test_accs"]]
        means[row["arm"]].append(statistics.fmean(accs))
        cells = [row["arm"], row["seed"], f"`{row['winner']}`", row["trials"],
                 f"{row['minutes']:.1f}",
                 f"{means[row['arm']][-1]:.2f} ± {statistics.stdev(accs):.2f}"]  # fmt: skip
        print(f"| {' | '.join(map(str, cells))} |")
    a, b = means["ours"], means["stock"]
    if min(len(a), len(b)) > 1:
        error = (statistics.variance(a) / len(a) + statistics.variance(b) / len(b)) ** 0.5
        half = float(t.ppf(0.975, len(a) + len(b) - 2)) * error
        difference = statistics.fmean(a) - statistics.fmean(b)
        print(f"\nours - stock: {difference:+.2f} ± {half:.2f} points (95 %)")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=("run", "report"))
    parser.add_argument("--data-dir", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--out", type=Path, default=Path("live"))
    parser.add_argument("--minutes", type=float, default=8.0, help="of each search")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--train", type=int, default=IMAGES["limit_train"])
    parser.add_argument("--val", type=int, default=IMAGES["val_images"])
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--child", choices=ARMS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    IMAGES.update(limit_train=given.train, val_images=given.val)
    if given.child:
        print(json.dumps(child(given.child, given)))
    elif given.command == "run":
        run(given)
    if not given.child:
        report(read(given.out / "live.jsonl"))


if __name__ == "__main__":
    main()
