"""What the benchmarks count with, and that each of them runs."""

from __future__ import annotations

import doctest
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.mark.parametrize("name", ["search_common", "quality_report"])
def test_the_examples_of_what_the_benchmarks_share_are_so(name: str) -> None:
    spec = spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    done = doctest.testmod(found)
    assert (done.failed, done.attempted >= 2) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["effect_coverage.py", "--kinds", "additive", "--methods", "random", "--trials", "12",
          "--repeats", "1"], "additive  random        12"),
        (["search_quality.py", "run", "--problems", "additive", "--methods", "random", "additive",
          "--trials", "20", "--repeats", "2", "--out", ".", "--csv", "regrets.csv"],
          "compute to the last median regret of random:"),
        (["search_quality.py", "run", "--problems", "se_bench_whole", "--methods", "tpe",
          "without-climbing", "--trials", "20", "--repeats", "1", "--out", "."],
          "without-climbing (1) 20:"),
        (["quality_racing.py", "--repeats", "20"], "raced"),
        (["se_bench_table.py", "figures"], "| median: `"),
    ],
)  # fmt: skip
def test_a_small_run_of_a_benchmark_reports(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / arguments[0]), *arguments[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_searches_of_se_bench_that_stop_trials_are_replayed(tmp_path: Path) -> None:
    shared = ["--out", str(tmp_path)]
    script = [sys.executable, str(BENCHMARKS / "quality_se_bench.py"), "run", *shared]
    subprocess.run([*script, "--trials", "20", "--repeats", "1"], check=True, timeout=280)
    script = [sys.executable, str(BENCHMARKS / "search_quality.py"), "report", *shared]
    done = subprocess.run(script, check=True, timeout=280, capture_output=True, text=True)
    assert "se_bench, 8 workers" in done.stdout
    assert "compute to the last median regret of stock" in done.stdout
