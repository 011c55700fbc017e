"""Time of a trial beside its training: no-op trials through our search and stock Ray Tune.

python benchmarks/search_overhead.py --trials 200 --repeats 3
python benchmarks/search_overhead.py --trials 5000 --arms ours

Two slots, 20 parameters, the default sampler of each. Ours keeps every trial in a journal, stock
OptunaSearch keeps none.
Every run is a process of its own; arms take turns. ``whole`` is the time of the search over its
trials, the start of the workers in it; ``last`` is the mean over the last 100 trials.
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

from search_common import QUIET, machine, prepare_stock, price, space, trainable

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
ARMS = ("ours", "stock", "stock, actors reused", "stock, reused, no loggers")
SLOTS, LAST = 2, 100


def noop() -> Any:
    """Make a trainable whose trials do nothing."""
    return trainable(lambda _: None)


def ours(trials: int, out: str, profile: str | None) -> list[float]:
    """Run our search and return the seconds from the start at which each trial was told."""
    from se_nas.search.cluster.ray_environment import configure_ray

    configure_ray(None)
    from dataclasses import replace
    from functools import partial

    from rich.console import Console

    from se_nas.search.cluster.connection import connected
    from se_nas.search.config import SearchConfig
    from se_nas.search.plan import Plan, SearchRun
    from se_nas.search.run_dir import new_run
    from se_nas.search.study import study
    from se_nas.search.study.proposals import Proposals
    from se_nas.search.tuning.tune import tune_trials

    config = SearchConfig(
        trials=trials, epochs=1, gpus=0, concurrency=SLOTS, out=out, dashboard=False, name="run"
    )
    ended: list[float] = []

    class Timed(Proposals):
        def tell(self, *arguments: Any) -> None:
            super().tell(*arguments)
            ended.append(time.perf_counter())

    plan = replace(Plan.of(space(), config), shared=None)  # its trials look at no images
    run = new_run.create(space(), config)
    opened = study.create_study(space(), config, run)
    with connected(config) as slots:
        study.propose(opened, space(), price(), config)  # its sampler learns of the space
        proposals = Timed(opened, space(), price(), trials=trials)
        start = time.perf_counter()
        search_run = SearchRun(plan, run, slots, Console(quiet=True))
        go = partial(tune_trials, search_run, proposals, noop())
        if profile:
            import cProfile

            cProfile.runctx("go()", {}, {"go": go}, profile)
        else:
            go()
        done = time.perf_counter()
    assert len(ended) == trials, "a trial is missing"
    return [moment - start for moment in [*ended[:-1], done]]


def stock(trials: int, out: str, reuse: bool, loggers: bool) -> list[float]:
    """Run OptunaSearch at its defaults; returns as ``ours``."""
    import os

    prepare_stock()
    if not loggers:
        os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    ended: list[float] = []

    class Timed(tune.Callback):
        def on_trial_complete(self, *_: Any, **__: Any) -> None:
            ended.append(time.perf_counter())

        def __getstate__(self) -> dict[str, Any]:
            return {}

    choices = {
        "reduction": [2, 4, 8, 16, 32],
        "placement": ["standard", "pre", "post", "identity"],
        "squeeze": ["avg", "max", "avgmax"],
        "gate": ["sigmoid", "tanh", "hard_sigmoid"],
        "bias": [True, False],
    }
    parameters = {f"{k}.{i}": tune.choice(v) for k, v in choices.items() for i in range(4)}
    ray.init("local", num_cpus=SLOTS, **QUIET)
    start = time.perf_counter()
    tune.Tuner(
        tune.with_resources(noop(), {"cpu": 1}),
        param_space=parameters,
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(metric="val_acc", mode="max"),
            num_samples=trials,
            max_concurrent_trials=SLOTS,
            reuse_actors=reuse,
        ),
        run_config=tune.RunConfig(
            storage_path=out,
            verbose=0,
            callbacks=[Timed()],
            # Else Tune saves every trial, and ends with an error where there is nothing to save.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    ).fit()
    done = time.perf_counter()
    ray.shutdown()
    assert len(ended) == trials, "a trial is missing"
    return [moment - start for moment in [*ended[:-1], done]]


def child(arm: str, trials: int, profile: str | None) -> None:
    """Run an arm once and print its trials' ends as the last line, in JSON."""
    with tempfile.TemporaryDirectory() as out:
        if arm == "ours":
            moments = ours(trials, out, profile)
        else:
            moments = stock(trials, out, "reused" in arm, "no loggers" not in arm)
    print(json.dumps(moments))


def run(arm: str, trials: int) -> tuple[float, float]:
    """Return milliseconds a trial: over the whole search, and over its last trials."""
    command = [sys.executable, __file__, "--child", arm, "--trials", str(trials)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    moments = json.loads(done.stdout.decode().strip().splitlines()[-1])
    count = min(LAST, trials // 2)
    return 1000 * moments[-1] / trials, 1000 * (moments[-2] - moments[-2 - count]) / count


def main() -> None:
    """Run the arms in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=ARMS)
    parser.add_argument("--child", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--profile", help="a file for cProfile's figures of our driver")
    asked = parser.parse_args()
    if asked.child or asked.profile:
        child(asked.child or "ours", asked.trials, asked.profile)
        return
    print(
        f"{machine()}; {asked.trials} no-op trials, {SLOTS} slots, 20 parameters, "
        f"medians of {asked.repeats} interleaved runs"
    )
    times: dict[str, list[tuple[float, float]]] = {arm: [] for arm in asked.arms}
    for _ in range(asked.repeats):
        for arm in asked.arms:
            times[arm].append(run(arm, asked.trials))
            print(f"  {arm:<28}{times[arm][-1][0]:9.1f} ms", file=sys.stderr)
    first = statistics.median(whole for whole, _ in times[asked.arms[0]])
    print(f"{'ms a trial':<28}{'whole':>9}{'last':>9}{'ratio':>9}")
    for arm, pairs in times.items():
        whole, last = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{arm:<28}{whole:9.1f}{last:9.1f}{whole / first:9.2f}")


if __name__ == "__main__":
    main()
