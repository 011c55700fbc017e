"""What the benchmarks count with, and that each of them runs."""

from __future__ import annotations

import doctest
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from made_data import write_fashion

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
        (["cost_rate.py", "--architectures", "50", "--built", "1"], "mobile_se"),
        (["se_overhead.py", "--repeats", "1", "--size", "32"], "bar 1."),
        (["startup.py"], "import se_nas"),
        (["data_rate.py", "--images", "1000", "--pictures", "20", "--epochs", "1"], "pictures"),
        (["latency_table.py", "--spaces", "mobile_se", "--size", "32", "--held-out", "3",
          "--networks", "4", "--repeats", "1", "--sweeps", "1"], "held-out networks: 3"),
        (["latency_table.py", "--spaces", "digits_se", "--size", "8", "--held-out", "2",
          "--networks", "2", "--repeats", "1", "--sweeps", "1", "--backend", "onnxruntime"],
         "onnxruntime, batch"),
        pytest.param(["search_overhead.py", "--trials", "6", "--repeats", "1", "--arms", "ours",
          "stock, actors reused"], "stock, actors reused", marks=pytest.mark.slow),
        pytest.param(["search_utilisation.py", "--slots", "2", "--trials", "4"],
                     "stock, actors reused", marks=pytest.mark.slow),
        (["search_statistics.py", "--trials", "120", "--slots", "2", "--seeds", "1"], "stock"),
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


def test_trials_from_a_trained_trunk_are_ranked(tmp_path: Path) -> None:
    write_fashion(tmp_path / "images")
    script = [sys.executable, str(BENCHMARKS / "init_rank.py"), "--data-dir", "images"]
    sizes = ["--networks", "4", "--lengths", "1", "--train", "60", "--val", "20"]
    done = subprocess.run(
        [*script, *sizes], cwd=tmp_path, check=True, timeout=280, capture_output=True, text=True
    )
    assert "epochs  from the trained trunk" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("     1  ")


@pytest.mark.slow
def test_real_searches_are_compared(tmp_path: Path) -> None:
    write_fashion(tmp_path / "images")
    script = [sys.executable, str(BENCHMARKS / "live_comparison.py"), "run"]
    sizes = ["--minutes", "1", "--repeats", "1", "--train", "60", "--val", "20"]
    done = subprocess.run(
        [*script, "--data-dir", str(tmp_path / "images"), "--out", str(tmp_path), *sizes],
        cwd=tmp_path, check=True, timeout=600, capture_output=True, text=True,
    )  # fmt: skip
    assert [line.split(" | ")[0] for line in done.stdout.splitlines()[-2:]] == ["| ours", "| stock"]


@pytest.mark.slow
def test_the_share_of_se_in_compiled_networks_is_measured(tmp_path: Path) -> None:
    script = [sys.executable, str(BENCHMARKS / "se_overhead.py"), "--compile"]
    done = subprocess.run(
        [*script, "--repeats", "1", "--size", "32"],
        cwd=tmp_path, timeout=600, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "compiled se_resnet50_tv_r16 / compiled resnet50_tv: " in done.stdout


@pytest.mark.slow
def test_what_needs_a_gpu_is_tried_on_a_cpu(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "gpu_check.py"), "--dry-run", "--out", str(tmp_path)],
        timeout=900, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "search, shared GPUs" in done.stdout
    assert "not run: needs a GPU" in done.stdout
