"""Busy share of the slots: trials of 1 to 10 s that only sleep, ours and stock Ray Tune.

python benchmarks/search_utilisation.py --slots 32 --trials 320

Logical GPUs, TPE on our side and in OptunaSearch. Trials write down their own start and end. The
busy share is that of all slots between the start of trial SLOTS + 1 and the last ask; ``from the
first`` counts from the first start instead, so that the start of the workers is in it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from search_common import QUIET, busy, machine, prepare_stock, price, space, trainable

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
ARMS = ("ours", "stock, actors reused", "stock")


def sleeper(folder: str) -> Any:
    """Make a trainable that sleeps 1 to 10 s, as its configuration says, and notes when."""

    def sleep(share: float) -> None:
        start = time.time()
        time.sleep(1 + 9 * share)
        with open(f"{folder}/{os.getpid()}.txt", "a") as file:
            file.write(f"{start} {time.time()}\n")

    return trainable(sleep)


def ours(slots: int, trials: int, folder: str, out: str) -> tuple[float, float]:
    """Run our search; return when it began and when it asked for the last trial, in seconds."""
    from se_nas.search.cluster.ray_environment import configure_ray

    configure_ray(None)
    from dataclasses import replace

    import ray
    from rich.console import Console

    from se_nas.search.cluster.slots import plan_slots
    from se_nas.search.config import SearchConfig
    from se_nas.search.plan import Plan, SearchRun
    from se_nas.search.run_dir import new_run
    from se_nas.search.study import study
    from se_nas.search.study.proposals import Proposals
    from se_nas.search.study.records import Proposal
    from se_nas.search.tuning.tune import tune_trials

    config = SearchConfig(trials=trials, epochs=1, gpus=slots, out=out, dashboard=False, name="run")
    asks: list[float] = []

    class Timed(Proposals):
        def ask(self) -> Proposal | None:
            proposal = super().ask()
            if proposal is not None:
                asks.append(time.time())
            return proposal

    plan = replace(Plan.of(space(), config), shared=None)  # its trials look at no images
    run = new_run.create(space(), config)
    opened = study.create_study(space(), config, run)
    ray.init("local", num_cpus=slots, num_gpus=slots, _node_ip_address="127.0.0.1", **QUIET)
    at = plan_slots(config, [{"CPU": slots, "GPU": slots}])
    proposals = Timed(opened, space(), price(), trials=trials)
    start = time.time()
    search_run = SearchRun(plan, run, at, Console(quiet=True))
    tune_trials(search_run, proposals, sleeper(folder))
    ray.shutdown()
    return start, asks[-1]


def stock(slots: int, trials: int, folder: str, out: str, reuse: bool) -> tuple[float, float]:
    """Run OptunaSearch; returns as ``ours``."""
    prepare_stock()
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    asks: list[float] = []

    class Timed(OptunaSearch):  # type: ignore[misc]
        def suggest(self, trial_id: str) -> Any:
            asks.append(time.time())
            return super().suggest(trial_id)

    ray.init("local", num_cpus=slots, num_gpus=slots, **QUIET)
    start = time.time()
    tune.Tuner(
        tune.with_resources(sleeper(folder), {"cpu": 1, "gpu": 1}),
        param_space={f"p{i}": tune.choice(list(range(4))) for i in range(20)},
        tune_config=tune.TuneConfig(
            search_alg=Timed(metric="val_acc", mode="max"),
            num_samples=trials,
            max_concurrent_trials=slots,
            reuse_actors=reuse,
        ),
        run_config=tune.RunConfig(
            storage_path=out,
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    ).fit()
    ray.shutdown()
    return start, asks[-1]


def child(arm: str, slots: int, trials: int) -> None:
    """Run an arm once and print its figures as the last line, in JSON."""
    with tempfile.TemporaryDirectory() as out, tempfile.TemporaryDirectory() as folder:
        if arm == "ours":
            start, last_ask = ours(slots, trials, folder, out)
        else:
            start, last_ask = stock(slots, trials, folder, out, "reused" in arm)
        files = list(Path(folder).iterdir())
        lines = [line.split() for file in files for line in file.read_text().splitlines()]
    spans = sorted((float(a), float(b)) for a, b in lines)
    assert len(spans) >= trials, "a trial is missing"
    figures = {
        "busy": busy(spans, slots, spans[slots][0], last_ask),
        "from_first": busy(spans, slots, spans[0][0], last_ask),
        "first_start": spans[0][0] - start,
        "whole": spans[-1][1] - start,
        "workers": len(files),
    }
    print(json.dumps(figures))


def main() -> None:
    """Run the arms in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=32)
    parser.add_argument("--trials", type=int, help="[default: ten a slot]")
    parser.add_argument("--arms", nargs="+", default=list(ARMS[:2]), choices=ARMS)
    parser.add_argument("--child", choices=ARMS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    trials = asked.trials or 10 * asked.slots
    if asked.child:
        child(asked.child, asked.slots, trials)
        return
    print(f"{machine()}; {trials} trials of 1 to 10 s on {asked.slots} logical GPUs")
    columns = ("busy", "from first", "first start s", "whole s", "workers")
    print(f"{'':<24}" + "".join(f"{name:>15}" for name in columns))
    for arm in asked.arms:
        command = [sys.executable, __file__, "--child", arm]
        command += ["--slots", str(asked.slots), "--trials", str(trials)]
        done = subprocess.run(command, check=True, stdout=-1, stderr=subprocess.DEVNULL)
        told = json.loads(done.stdout.decode().strip().splitlines()[-1])
        shares = "".join(f"{100 * told[name]:13.1f} %" for name in ("busy", "from_first"))
        print(
            f"{arm:<24}{shares}{told['first_start']:15.1f}{told['whole']:15.1f}{told['workers']:15}"
        )


if __name__ == "__main__":
    main()
