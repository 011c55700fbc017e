"""All checks that need a GPU, in one table: under ten minutes where there is one.

    python benchmarks/gpu_check.py             # with a GPU
    python benchmarks/gpu_check.py --dry-run   # without: smaller ones, on a CPU

Each check is a command of this project; what it wrote is in --out. Exit code 1 if one failed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from search_common import machine

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 240  # of a check
TRAIN = (sys.executable, str(ROOT / "runners/train.py"), "se_resnet8_small_r8")
SEARCH = (sys.executable, str(ROOT / "runners/search.py"))
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node")


@dataclass(frozen=True)
class Check:
    """A command, and one in its place where there is no GPU; without that it is left out there."""

    name: str
    command: tuple[str, ...]
    dry: tuple[str, ...] | None = None


def checks(gpus: int, out: str) -> list[Check]:
    """Return what is to be checked on so many GPUs."""
    benchmark = ROOT / "benchmarks"
    short = ("--epochs", "2", "--out", out)
    search = ("--epochs", "1", "--final-runs", "2", "--no-dashboard", "--out", out)
    return [
        Check("numbers, autocast, memory (tests/gpu)",
              (sys.executable, "-m", "pytest", "-q", str(ROOT / "tests/gpu")),
              (sys.executable, "-m", "pytest", "-q", "--collect-only", str(ROOT / "tests/gpu"))),
        Check("training: autocast, channels-last",
              (*TRAIN, *short, "--device", "cuda", "--name", "amp"),
              (*TRAIN, *short, "--device", "cpu", "--name", "amp")),
        Check("training: compiled",
              (*TRAIN, *short, "--device", "cuda", "--compile", "--name", "compiled")),
        Check("training: a process a GPU",
              (*TORCHRUN, str(gpus), *TRAIN[1:], *short, "--name", "torchrun"),
              (*TORCHRUN, "2", *TRAIN[1:], *short, "--threads", "1", "--name", "torchrun")),
        Check("search, trials out of memory",
              (*SEARCH, "--space", "resnet_se", "--image-size", "224", "--batch-size", "1024",
               "--trials", "6", *search, "--gpus", str(gpus), "--name", "memory")),
        Check("search, shared GPUs",
              (*SEARCH, "--space", "digits_se", "--trials", "8", *search, "--gpus", str(gpus),
               "--gpus-per-trial", "0.5", "--name", "shared"),
              (*SEARCH, "--space", "digits_se", "--trials", "2", *search, "--gpus", "0",
               "--name", "shared")),
        Check("SE's share of a step",
              (sys.executable, str(benchmark / "se_overhead.py"), "--device", "cuda",
               "--repeats", "5", "--batch", "64"),
              (sys.executable, str(benchmark / "se_overhead.py"), "--repeats", "1",
               "--size", "32")),
        Check("latency table, events",
              (sys.executable, str(benchmark / "latency_table.py"), "--cuda", "--spaces",
               "mobile_se"),
              (sys.executable, str(benchmark / "latency_table.py"), "--spaces", "mobile_se",
               "--size", "32", "--held-out", "3", "--networks", "4", "--repeats", "1",
               "--sweeps", "1")),
        Check("data rate",
              (sys.executable, str(benchmark / "data_rate.py"), "--workers", "8"),
              (sys.executable, str(benchmark / "data_rate.py"), "--images", "1000", "--pictures",
               "20", "--epochs", "1")),
    ]  # fmt: skip


def run(command: tuple[str, ...], log: Path) -> int:
    """Run a command into a log; return its exit code, 124 if it took too long."""
    with log.open("w") as file:
        try:
            return subprocess.run(
                command, stdout=file, stderr=subprocess.STDOUT, timeout=LIMIT_S
            ).returncode
        except subprocess.TimeoutExpired:
            return 124


def main() -> None:
    """Run what can be run here, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("gpu_check"))
    given = parser.parse_args()
    import torch

    gpus = torch.cuda.device_count()
    if not gpus and not given.dry_run:
        sys.exit("error: torch sees no GPU here; --dry-run tries the commands on a CPU")
    given.out.mkdir(parents=True, exist_ok=True)
    names = [torch.cuda.get_device_name(i) for i in range(gpus)]
    print(f"{machine()}; {', '.join(names) or 'no GPU: not run on one'}")
    failed = False
    for i, check in enumerate(checks(gpus, str(given.out / f"runs-{time.time():.0f}"))):
        command = check.dry if given.dry_run else check.command
        if command is None:
            print(f"{check.name:<42}not run: needs a GPU", flush=True)
            continue
        log, began = given.out / f"{i}.txt", time.monotonic()
        code = run(command, log)
        lines = [line.strip() for line in log.read_text().splitlines() if line.strip()]
        failed |= code != 0
        end = "ok" if code == 0 else f"FAILED ({code})"
        seconds = time.monotonic() - began
        print(f"{check.name:<42}{end:<12}{seconds:>5.0f} s  {lines[-1][:70] if lines else ''}",
              flush=True)  # fmt: skip
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
