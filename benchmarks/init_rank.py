"""Whether trials that start from a trained trunk rank networks as trainings from scratch do.

    python benchmarks/init_rank.py --data-dir FASHION_MNIST --networks 60

On SE-Bench's set-up: the trunk of each width is trained once without SE; networks of the table then
start from it, and are trained for 1, 2, 4 and 8 epochs. Printed is Kendall's τ of their validation
accuracy with the table's test accuracy (three seeds from scratch), with an interval by drawing the
networks again; beside it that of one training from scratch, after as many of its eight epochs.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from se_bench import EPOCHS, TRAIN, VAL, Setup, images
from se_bench_table import kendall

from se_nas import Architecture
from se_nas.bench import load
from se_nas.training.recipes import RECIPES
from se_nas.training.train import Training

LENGTHS, DRAWS = (1, 2, 4, 8), 1000


def trained(
    setup: Setup, architecture: Architecture, epochs: int, seed: int, init: Any
) -> Training:
    """Train a network to its end."""
    recipe = replace(RECIPES["search"], batch_size=setup.batch)
    training = Training(
        architecture, images(setup), recipe, epochs=epochs, seed=seed, workers=0, init=init
    )
    while not training.finished:
        training.last = training.epoch()  # type: ignore[attr-defined]
    return training


def interval(a: list[float], b: list[float]) -> tuple[float, float, float]:
    """Return Kendall's τ, between the ends of its interval of 95 %."""
    rng = np.random.default_rng(0)
    x, y = np.array(a), np.array(b)
    drawn = [kendall(x[i], y[i]) for i in rng.integers(0, len(x), (DRAWS, len(x)))]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(low), kendall(x, y), float(high)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", default="/usr/share/datasets/fashion-mnist")
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--lengths", nargs="*", type=int, default=LENGTHS)
    parser.add_argument("--train", type=int, default=TRAIN, help="images to train on")
    parser.add_argument("--val", type=int, default=VAL)
    given = parser.parse_args()
    torch.set_num_threads(1)
    setup, bench = Setup(given.data_dir, train=given.train, val=given.val), load()
    chosen = random.Random(0).sample(list(bench), given.networks)
    test = [network.test_acc for network in chosen]
    trunks = {network.architecture.trunk for network in chosen}
    init = {
        trunk: dict(trained(setup, Architecture(trunk), EPOCHS, 100, None).model.state_dict())
        for trunk in trunks
    }
    print("epochs  from the trained trunk   from scratch, so many of 8   seconds a training")
    for length in given.lengths:
        values, seconds = [], []
        for network in chosen:
            state = {key: value.clone() for key, value in init[network.architecture.trunk].items()}
            last: Any = trained(setup, network.architecture, length, 101, state)
            values.append(last.last.val_acc)
            seconds.append(last.last.seconds * length)
        scratch = [network.trainings[0].val_acc[length - 1] for network in chosen]
        told = [
            "{1:.2f} ({0:.2f} to {2:.2f})".format(*interval(column, test))
            for column in (values, scratch)
        ]
        print(f"{length:6}  {told[0]:23}  {told[1]:27}  {np.median(seconds):.1f}", flush=True)


if __name__ == "__main__":
    main()
