"""Time of ``runners/search.py --help``, beside a bare Python: medians of interleaved runs.

python benchmarks/startup.py
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = 15
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import se_nas": [sys.executable, "-c", "import se_nas"],
    "search.py --help": [sys.executable, "runners/search.py", "--help"],
}


def main() -> None:
    """Time every command in turn and print the table."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for run in range(RUNS + 1):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            if run:  # the first one fills the caches
                seconds[name].append(time.perf_counter() - start)
    print(f"Python {platform.python_version()}, {platform.machine()}, {RUNS} runs each, medians")
    bare = statistics.median(seconds["python -c pass"])
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name:<18}{median * 1000:8.0f} ms   {median / bare:6.1f} × a bare Python")


if __name__ == "__main__":
    main()
