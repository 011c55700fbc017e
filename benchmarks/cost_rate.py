"""Rate at which architectures are priced, beside building each one and counting.

    python benchmarks/cost_rate.py [--architectures 10000] [--built 5]

One core; no weights are made on either side: the models are built on the meta device.
"""

from __future__ import annotations

import argparse
import platform
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch.utils.flop_counter import FlopCounterMode

from se_nas import Architecture, Space, materialize
from se_nas.architecture import architecture as arch_module
from se_nas.cost import network_cost as cost_module
from se_nas.cost.network_cost import cost
from se_nas.latency.measure import processor
from se_nas.space.space_files import load_space


def distinct(space: Space, count: int) -> list[Architecture]:
    """Draw random architectures, no two alike."""
    rng = random.Random(0)
    found: dict[Architecture, None] = {}
    while len(found) < count:
        found[space.sample(rng)] = None
    return list(found)


def clear_caches() -> None:
    for module in (arch_module, cost_module):
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


def rate(architectures: list[Architecture]) -> float:
    """Return how many architectures are priced in a second."""
    start = time.perf_counter()
    for architecture in architectures:
        cost(architecture)
    return len(architectures) / (time.perf_counter() - start)


def built_rate(architectures: list[Architecture]) -> float:
    """Return how many are built on the meta device and counted in a second."""
    start = time.perf_counter()
    for architecture in architectures:
        size = architecture.trunk.input_size
        with torch.device("meta"):
            model = materialize(architecture).eval()
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                model(torch.empty(1, 3, size, size))
        counted = sum(p.numel() for p in model.parameters()), counter.get_total_flops() // 2
        priced = cost(architecture)
        assert counted == (priced.params, priced.macs), str(architecture)
    return len(architectures) / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--architectures", type=int, default=10_000)
    parser.add_argument("--built", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"{processor()}, 1 thread; Python {platform.python_version()}, PyTorch {torch.__version__}"
    )
    print(f"{arguments.architectures} distinct architectures, {arguments.built} built on meta")
    print(f"{'space':<12}{'cold, 1/s':>12}{'warm, 1/s':>12}{'built, 1/s':>12}{'cold/built':>12}")
    for name in ("resnet_se", "mobile_se"):
        architectures = distinct(load_space(name), arguments.architectures)
        clear_caches()
        cold = rate(architectures)
        warm = rate(architectures)
        built = built_rate(architectures[: arguments.built])
        print(f"{name:<12}{cold:>12,.0f}{warm:>12,.0f}{built:>12.2f}{cold / built:>12,.0f}")


if __name__ == "__main__":
    main()
