"""Wrong inputs to ``runners/search.py``: one line on stderr, exit code 2, nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from se_nas.cli import main

ROOT = Path(__file__).resolve().parents[2]

SPACE_FILES = {
    "syntax.py": ("from se_nas import Space\nSPACE = Space(", "line 2: syntax error"),
    "empty.py": (
        "from se_nas import SE, Space, choice\nSPACE = Space('s', trunk='resnet18', "
        "se=SE(reduction=choice()))",
        "line 2: choice() needs at least one option",
    ),
    "placement.py": (
        "from se_nas import SE, Space\nSPACE = Space('s', trunk='mobilenet_v1', "
        "se=SE(placement='identity'))",
        "placement 'identity' in stage 1",
    ),
    "family.py": (
        "from se_nas import Space\nSPACE = Space('s', trunk='resnet81')",
        "did you mean 'resnet18'?",
    ),
    "none.py": ("x = 1", "has 0 spaces"),
    "raises.py": ("x = 1\nx / 0", "line 2: ZeroDivisionError"),
    "infeasible.py": (
        "from se_nas import *\nSPACE = Space('s', trunk='resnet18', constraints=[params <= 10])",
        "no architecture keeps the constraints: params <= 10",
    ),
}


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that the command prints as it exits with 2."""
    with pytest.raises(SystemExit) as caught:
        main(["search", *arguments])
    printed = capsys.readouterr()
    assert caught.value.code == 2
    lines = printed.err.strip().splitlines()
    assert len(lines) == 1, printed.err
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.mark.parametrize("name", SPACE_FILES)
def test_a_space_file_with_a_mistake(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, expected = SPACE_FILES[name]
    (tmp_path / name).write_text(text)
    assert expected in fails(capsys, "--space", str(tmp_path / name), "--out", str(tmp_path / "o"))
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--space", "mobil_se"], "did you mean 'mobile_se'?"),
        (["--space", "nowhere/space.py"], "there is no such file"),
        (["--space", "digits_se", "--data", "digit"], "did you mean 'digits'?"),
        (["--space", "digits_se", "--data", "cifar10"], "data_dir"),
        (["--space", "digits_se", "--data", "cifar10", "--data-dir", "/nowhere"], "/nowhere"),
        (["--space", "digits_se", "--name", "a/b"], "name is 'a/b'"),
        (["--space", "digits_se", "--sampler", "tpee"], "did you mean 'tpe'?"),
        (["--space", "digits_se", "--sampler", "no_such.Sampler"], "cannot be imported"),
        (["--space", "digits_se", "--sampler", "grid"], "the limit is 20,000"),
        (["--space", "digits_se", "--enqueue", "resnet50"], "its trunk is not among them"),
        (["--space", "digits_se", "--trials", "0"], "trials is 0"),
        (["--space", "digits_se", "--gpus", "-1"], "gpus is -1"),
        (["--space", "digits_se", "--gpus-per-trial", "1.5"], "gpus_per_trial is 1.5"),
        (
            ["--space", "digits_se", "--dashboard-host", "0.0.0.0", "--address", "auto"],
            "dashboard_host is '0.0.0.0'",
        ),
        (["--space", "digits_se", "--val-images", "2000"], "2000"),
        (["--space", "digits_se", "--learning-rate", "-1"], "learning_rate"),
        (["--space", "digits_se", "--latency-batch", "0"], "latency batch is 0"),
        (["--space", "digits_se", "--latency-precision", "float3"], "did you mean 'float32'?"),
        (["--space", "digits_se", "--latency-cache", __file__], "is a file; give a folder"),
    ],
)
def test_a_wrong_argument(
    arguments: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expected in fails(capsys, *arguments, "--out", str(tmp_path / "o"))
    assert not (tmp_path / "o").exists()


def test_a_data_folder_that_is_empty_or_of_one_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["--space", "digits_se", "--data", "imagefolder", "--data-dir", str(tmp_path)]
    assert str(tmp_path) in fails(capsys, *base)
    from PIL import Image

    for part in ("train", "test"):
        (tmp_path / part / "only").mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (8, 8)).save(tmp_path / part / "only" / f"{i}.png")
    assert "class" in fails(capsys, *base)


def test_options_that_do_not_exist_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["search", "--spcae", "digits_se"])
    assert caught.value.code == 2
    assert "--spcae" in capsys.readouterr().err


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "runners" / "search.py"), *arguments]
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment)


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[-1]


def test_more_gpus_than_the_machine_has(tmp_path: Path) -> None:
    line = last_line(run("--space", "mobile_se", "--gpus", "32", "--out", str(tmp_path / "o")))
    assert "--gpus 32: the cluster has 0 GPUs" in line
    assert "--gpus 0" in line
    assert "--address" in line
    assert not (tmp_path / "o").exists()


def test_an_output_folder_that_exists_or_a_storage_that_cannot_be_opened(tmp_path: Path) -> None:
    base = ["--space", "digits_se", "--gpus", "0", "--no-dashboard", "--trials", "1"]
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "kept.txt").write_text("kept")
    line = last_line(run(*base, "--out", str(tmp_path), "--name", "taken"))
    assert "exists already" in line
    assert (tmp_path / "taken" / "kept.txt").read_text() == "kept"
    storage = ["--storage", f"sqlite:///{tmp_path}/nowhere/study.db", "--name", "unstored"]
    assert "cannot be opened" in last_line(run(*base, "--out", str(tmp_path), *storage))
    assert not (tmp_path / "unstored").exists()


@pytest.mark.parametrize(
    ("address", "reason"), [("127.0.0.1:1", "Connection refused"), ("nonsense", "not host:port")]
)
def test_a_cluster_that_does_not_answer(address: str, reason: str, tmp_path: Path) -> None:
    out = str(tmp_path / "o")
    line = last_line(run("--space", "digits_se", "--address", address, "--out", out))
    assert f"no Ray cluster answers there ({reason})" in line
    assert not (tmp_path / "o").exists()


def test_help_needs_no_heavy_import() -> None:
    code = (
        "import runpy, sys\n"
        "sys.argv = ['search.py', '--help']\n"
        "try:\n    runpy.run_path('runners/search.py', run_name='__main__')\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'torch', 'ray', 'optuna', 'numpy', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--gpus-per-trial" in done.stdout
