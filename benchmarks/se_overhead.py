"""Time that SE costs: ours against timm's seresnet50, and against our own trunks without SE.

    python benchmarks/se_overhead.py [--repeats 20] [--threads 1] [--size 224] [--mobile]
    python benchmarks/se_overhead.py --device cuda --batch 64 --repeats 50

Every repeat times every contestant once, in turn, so that a busy moment hits all alike; the
figures are medians of the repeats, and ratios of medians. Weights are random and equal.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import se_nas
from se_nas.latency.measure import processor

Contest = dict[str, Callable[[], None]]
LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
WARM_UP = 2


def measure(contest: Contest, repeats: int) -> dict[str, float]:
    """Return the median milliseconds of each contestant."""
    times: dict[str, list[float]] = {name: [] for name in contest}
    for repeat in range(WARM_UP + repeats):
        for name, run in contest.items():
            start = time.perf_counter()
            run()
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()
            if repeat >= WARM_UP:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def inference(model: nn.Module, images: Tensor) -> Callable[[], None]:
    def run() -> None:
        with torch.inference_mode():
            model(images)

    model.eval()
    return run


def training_step(model: nn.Module, images: Tensor) -> Callable[[], None]:
    labels = torch.zeros(len(images), dtype=torch.long, device=images.device)

    def run() -> None:
        model.train()
        model.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        model.eval()

    return run


def report(
    title: str, medians: dict[str, float], ratios: list[tuple[str, str, float | None]]
) -> None:
    print(f"\n{title}")
    for name, median in medians.items():
        print(f"  {name:<28}{median:9.1f} ms")
    for ours, theirs, bar in ratios:
        ratio = medians[ours] / medians[theirs]
        verdict = "" if bar is None else f"  bar {bar:.2f}: {'met' if ratio <= bar else 'MISSED'}"
        print(f"  {ours} / {theirs}: {ratio:.3f}{verdict}")


def resnet50(layout: str, size: int, batch: int, repeats: int, device: str) -> None:
    torch.manual_seed(0)
    as_asked: Any = {"device": device, "memory_format": LAYOUTS[layout]}
    peer = timm.create_model("seresnet50").to(**as_asked)
    ours = se_nas.materialize("se_resnet50_tv_r16", weights=peer.state_dict())
    ours = ours.to(**as_asked)
    plain = se_nas.materialize("resnet50_tv").to(**as_asked)
    fast = se_nas.optimize_for_inference(ours, size)
    fast_plain = se_nas.optimize_for_inference(plain, size)
    image = torch.randn(1, 3, size, size).to(**as_asked)
    images = torch.randn(batch, 3, size, size).to(**as_asked)
    models = {"timm seresnet50": peer, "se_resnet50_tv_r16": ours, "resnet50_tv": plain}
    contest = {name: inference(model, image) for name, model in models.items()}
    contest["optimized"] = inference(fast, image)
    contest["optimized resnet50_tv"] = inference(fast_plain, image)
    report(
        f"inference, {layout}, 1 × 3 × {size} × {size}",
        measure(contest, repeats),
        [
            ("se_resnet50_tv_r16", "timm seresnet50", 1.00),
            ("optimized", "timm seresnet50", 0.88),
            ("se_resnet50_tv_r16", "resnet50_tv", 1.03),
            ("optimized", "optimized resnet50_tv", 1.03),
        ],
    )
    report(
        f"training step, {layout}, {batch} × 3 × {size} × {size}",
        measure({name: training_step(model, images) for name, model in models.items()}, repeats),
        [
            ("se_resnet50_tv_r16", "timm seresnet50", 1.00),
            ("se_resnet50_tv_r16", "resnet50_tv", 1.05),
        ],
    )


def compiled(layout: str, size: int, repeats: int, device: str) -> None:
    torch.manual_seed(0)
    as_asked: Any = {"device": device, "memory_format": LAYOUTS[layout]}
    peer = timm.create_model("seresnet50").to(**as_asked)
    ours = se_nas.materialize("se_resnet50_tv_r16", weights=peer.state_dict())
    models = {"timm seresnet50": peer, "se_resnet50_tv_r16": ours.to(**as_asked)}
    models["resnet50_tv"] = se_nas.materialize("resnet50_tv").to(**as_asked)
    image = torch.randn(1, 3, size, size).to(**as_asked)
    contest = {f"compiled {n}": inference(torch.compile(m.eval()), image)  # type: ignore[arg-type]
               for n, m in models.items()}  # fmt: skip
    report(
        f"inference, compiled, {layout}, 1 × 3 × {size} × {size}",
        measure(contest, repeats),
        [
            ("compiled se_resnet50_tv_r16", "compiled timm seresnet50", None),
            ("compiled se_resnet50_tv_r16", "compiled resnet50_tv", None),
        ],
    )


def mobile(trunk: str, layout: str, size: int, batch: int, repeats: int, device: str) -> None:
    torch.manual_seed(0)
    as_asked: Any = {"device": device, "memory_format": LAYOUTS[layout]}
    se = f"se_{trunk}_r16"
    models = {n: se_nas.materialize(n).to(**as_asked) for n in (trunk, se)}
    image = torch.randn(1, 3, size, size).to(**as_asked)
    images = torch.randn(batch, 3, size, size).to(**as_asked)
    contest = {name: inference(model, image) for name, model in models.items()}
    contest[f"optimized {se}"] = inference(se_nas.optimize_for_inference(models[se], size), image)
    ratios: list[tuple[str, str, float | None]] = [
        (se, trunk, None),
        (f"optimized {se}", trunk, None),
    ]
    report(f"inference, {layout}, 1 × 3 × {size} × {size}", measure(contest, repeats), ratios)
    steps = {name: training_step(model, images) for name, model in models.items()}
    report(
        f"training step, {layout}, {batch} × 3 × {size} × {size}",
        measure(steps, repeats),
        [(se, trunk, None)],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=4, help="images in a training step")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--mobile", action="store_true", help="the mobile trunks too")
    parser.add_argument("--compile", action="store_true", help="compiled networks alone")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.device == "cuda":
        print(torch.cuda.get_device_name())
    print(f"{processor()}, {given.threads} thread(s), {platform.system()}")
    print(f"Python {platform.python_version()}, torch {torch.__version__}, timm {timm.__version__}")
    if given.compile:
        compiled("channels-last", given.size, given.repeats, given.device)
        return
    for layout in LAYOUTS:
        resnet50(layout, given.size, given.batch, given.repeats, given.device)
    if given.mobile:
        for trunk in ("mobilenet_v1", "mobilenet_v2", "shufflenet_v1_g3", "shufflenet_v2_x1_0"):
            for layout in LAYOUTS:
                mobile(trunk, layout, given.size, given.batch, given.repeats, given.device)


if __name__ == "__main__":
    main()
