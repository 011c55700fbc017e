"""The file of SE-Bench from its trainings, and the figures of its page.

    python benchmarks/se_bench_table.py latency --out se_bench    # minutes, on a quiet machine
    python benchmarks/se_bench_table.py pack --out se_bench
    python benchmarks/se_bench_table.py figures

``latency`` times each network twice, all of them in turn, and prints how well the two agree.
``pack`` writes the packaged file of the networks that have all their trainings. ``figures`` prints
what docs/se_bench.md says of it, in Markdown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from se_bench import IMAGE_SIZE, SEEDS, networks, read

from se_nas import Architecture
from se_nas.bench import table
from se_nas.bench.space import KINDS, REDUCTIONS, WIDTHS
from se_nas.bench.table import Network, SEBench, Training

LATENCY_BATCH, SWEEPS = 64, 2


def measure(out: Path) -> None:
    """Time all networks, sweep after sweep, and keep the medians."""
    from scipy.stats import spearmanr

    from se_nas.latency.measure import LocalMeasurer, identity
    from se_nas.latency.settings import LatencySettings, Signature

    settings = LatencySettings(batch=LATENCY_BATCH, repeats=15, warm_up=3, sweeps=1)
    measurer = LocalMeasurer(Signature(IMAGE_SIZE, 1, 10), settings)
    names = networks()
    sweeps = [
        {name: measurer.measure(Architecture.parse(name)).median_ms for name in names}
        for _ in range(SWEEPS)
    ]
    agree = spearmanr(*([sweep[name] for name in names] for sweep in sweeps)).statistic
    kept = {name: min(sweep[name] for sweep in sweeps) for name in names}
    (out / "latency.json").write_text(json.dumps(kept))
    print(f"{identity('cpu')['device']}, {settings}: {len(names)} networks, the lesser of {SWEEPS}")
    print(f"rank correlation of the sweeps {agree:.3f}")


def pack(out: Path, file: Path) -> None:
    """Write the table of the networks that have a training of each seed."""
    from se_nas.cost.network_cost import cost

    rows = {(row["name"], row["seed"]): row for row in read(out / "results.jsonl")}
    latency_file = out / "latency.json"
    latency = json.loads(latency_file.read_text()) if latency_file.exists() else {}
    found = []
    for name in sorted(networks()):
        whole = [rows[name, seed] for seed in SEEDS if (name, seed) in rows]
        if len(whole) < len(SEEDS) or any("end" in row for row in whole):
            continue
        architecture = Architecture.parse(name)
        price = cost(architecture, input_size=IMAGE_SIZE, in_channels=1, num_classes=10)
        trainings = tuple(map(training, whole))
        ms = latency.get(name, float("nan"))
        found.append(Network(architecture, price.params, price.macs, ms, trainings))
    table.pack(SEBench(tuple(found)), file)
    print(f"{len(found)} networks, {file.stat().st_size / 1e3:.0f} kB: {file}")


def training(row: dict[str, Any]) -> Training:
    """Return a line of the results as the table has it."""
    return Training(
        row["seed"],
        tuple(row["val_loss"]),
        tuple(row["val_acc"]),
        row["test_acc"],
        sum(row["seconds"]),
    )


def reliability(values: Any) -> tuple[float, float, float]:
    """Return deviations between networks and between seeds, and the ICC of the mean of the seeds.

    Args:
        values: [networks, seeds].
    """
    within = float(values.var(axis=1, ddof=1).mean())
    between = float(values.mean(axis=1).var(ddof=1))
    true = max(0.0, between - within / values.shape[1])
    return true**0.5, within**0.5, true / between


def figures(bench: SEBench) -> Iterator[str]:
    """Yield the lines of the page."""
    test = np.array([[t.test_acc for t in n.trainings] for n in bench])
    val = np.array([[t.val_acc for t in n.trainings] for n in bench])
    hours = sum(t.seconds for n in bench for t in n.trainings) / 3600
    seconds = statistics.median(t.seconds for n in bench for t in n.trainings)
    yield f"{len(bench)} networks × {test.shape[1]} seeds, {hours:.1f} core-hours, "
    yield f"{seconds:.1f} s a training (median)."
    yield ""
    yield "| network | test, % | params | MACs | ms |"
    yield "|---|---|---|---|---|"
    ordered = sorted(bench, key=lambda n: n.test_acc)
    widest = max(WIDTHS)
    named = {
        "best": ordered[-1],
        "median": ordered[len(ordered) // 2],
        "worst": ordered[0],
        "no SE, widest": bench[f"resnet8_small{suffix(widest)}"],
    }
    for ratio in REDUCTIONS:
        named[f"SE everywhere, r = {ratio}, widest"] = bench[f"se_resnet8_small_r{ratio}"]
    for label, n in named.items():
        yield (
            f"| {label}: `{n.architecture}` | {100 * n.test_acc:.2f} | {n.params:,} | "
            f"{n.macs:,} | {n.latency_ms:.2f} |"
        )
    yield ""
    yield "| width | ms without SE | with SE in all stages, r = 8 | r = 2 |"
    yield "|---|---|---|---|"
    for width in WIDTHS:
        own = [f"{name}{suffix(width)}" for name in ("resnet8_small", "se_resnet8_small")]
        ms = [bench[own[0]].latency_ms, *(bench[f"{own[1]}_r{r}"].latency_ms for r in (8, 2))]
        yield f"| {width} | " + " | ".join(f"{each:.2f}" for each in ms) + " |"
    yield ""
    yield "| | networks ± | seeds ± | ICC of three |"
    yield "|---|---|---|---|"
    widths = np.array([n.architecture.trunk.width for n in bench])  # type: ignore[attr-defined]
    for label, values in (("validation", val[:, :, -1]), ("test", test)):
        true, seeds, icc = reliability(100 * values)
        yield f"| {label} | {true:.2f} | {seeds:.2f} | {icc:.2f} |"
        for width in WIDTHS:
            true, seeds, icc = reliability(100 * values[widths == width])
            yield f"| {label}, width {width} alone | {true:.2f} | {seeds:.2f} | {icc:.2f} |"
    yield ""
    yield "| validation after epoch | " + " | ".join(str(e + 1) for e in range(val.shape[2])) + " |"
    yield "|---" * (val.shape[2] + 1) + "|"
    taus = [kendall(val[:, :, e].mean(1), test.mean(1)) for e in range(val.shape[2])]
    yield "| τ with the test | " + " | ".join(f"{tau:.2f}" for tau in taus) + " |"
    single = [kendall(val[:, 0, e], test[:, 1:].mean(1)) for e in range(val.shape[2])]
    yield (
        "| τ of one seed with the other two's test | "
        + " | ".join(f"{tau:.2f}" for tau in single)
        + " |"
    )
    yield ""
    yield from effects(bench, 100 * test.mean(1))


def effects(bench: SEBench, points: Any) -> Iterator[str]:
    """Yield the main effects of a regression on all networks, with 95 % intervals."""
    from scipy.stats import t as student

    columns: dict[str, list[float]] = {}
    reference = KINDS[0]
    for number, network in enumerate(bench):
        row = described(network.architecture, reference)
        for name in row:
            columns.setdefault(name, [0.0] * len(bench))
        for name, amount in row.items():
            columns[name][number] = amount
    x = np.column_stack([np.ones(len(bench)), *columns.values()])
    worths, *_ = np.linalg.lstsq(x, points, rcond=None)
    rest = points - x @ worths
    free = len(bench) - np.linalg.matrix_rank(x)
    variance = float(rest @ rest) / free
    spread = np.sqrt(np.diag(np.linalg.pinv(x.T @ x)) * variance)
    half = float(student.ppf(0.975, free)) * spread
    r2 = 1 - float(rest @ rest) / float(((points - points.mean()) ** 2).sum())
    yield f"Main effects on the test, in points (regression, R² {r2:.2f}):"
    yield ""
    yield "| choice | points | 95 % |"
    yield "|---|---|---|"
    for name, worth, each in zip(columns, worths[1:], half[1:], strict=True):
        yield f"| {name} | {worth:+.2f} | ± {each:.2f} |"


def described(architecture: Architecture, reference: tuple[str, str, str]) -> dict[str, float]:
    """Return a network's row: width, SE by stage, and what differs from the usual SE."""
    row: dict[str, float] = {}
    width = architecture.trunk.width  # type: ignore[attr-defined]
    if width != max(WIDTHS):
        row[f"width {width} against {max(WIDTHS)}"] = 1.0
    inserted = {stage: se for stage, se in architecture.stages.items() if se is not None}
    for stage, se in inserted.items():
        row[f"SE, r = {REDUCTIONS[0]}, in stage {stage}"] = 1.0
        if se.reduction != REDUCTIONS[0]:
            row[f"r = {se.reduction} there instead, stage {stage}"] = 1.0
    for se in list(inserted.values())[:1]:
        for value, usual in zip((se.placement, se.squeeze, se.gate), reference, strict=True):
            if str(value) != usual:
                row[f"{value} instead of {usual}"] = 1.0
    return row


def suffix(width: int) -> str:
    """Return a width's part of a name; the trunk's usual one has none."""
    return "" if width == 16 else f"-width{width}"


def kendall(a: Any, b: Any) -> float:
    """Return Kendall's τ."""
    from scipy.stats import kendalltau

    return float(kendalltau(a, b).statistic)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=("latency", "pack", "figures"))
    parser.add_argument("--out", type=Path, default=Path("se_bench"), help="folder of se_bench.py")
    parser.add_argument("--file", type=Path, default=table.FILE)
    given = parser.parse_args()
    if given.command == "latency":
        measure(given.out)
    elif given.command == "pack":
        pack(given.out, given.file)
    else:
        print("\n".join(figures(table.load(given.file))))


if __name__ == "__main__":
    main()
