"""What the parser of options refuses is one line too; programs, their names and versions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from se_nas import __version__
from se_nas.cli import main

ROOT = Path(__file__).resolve().parents[2]

REFUSED = [
    ("--spce x", "unknown option '--spce'; did you mean '--space'? allowed: --space, --trials, "),
    ("--no-dashbord", "unknown option '--no-dashbord'; did you mean '--no-dashboard'? allowed: "),
    ("--trials x", "--trials is 'x'; give a whole number"),
    ("--trials=1.5", "--trials is '1.5'; give a whole number"),
    ("--trials 1 --trials -2x", "--trials is '-2x'; give a whole number"),
    ("--gpus all", "--gpus is 'all'; give a whole number"),
    ("--first-rung half", "--first-rung is 'half'; give a number"),
    ("--trials", "option '--trials' requires an argument"),
    ("digits_se", "(digits_se); see "),
]


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], alone: str | None) -> str:
    with pytest.raises(SystemExit) as stop:
        main(arguments, alone=alone)
    printed = capsys.readouterr()
    assert stop.value.code == 2
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_one_line_for_both_programs(
    text: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expected in refused(capsys, text.split(), "search")
    assert expected in refused(capsys, ["search", *text.split()], None)


def test_a_working_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            "bash",
            "-c",
            'mkdir gone && cd gone && rmdir ../gone && exec "$0" "$1" --space x',
            sys.executable,
            str(ROOT / "runners" / "search.py"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "error: the working folder is no longer there: cd to one that is\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["serch"], "unknown command 'serch'; did you mean 'search'? allowed: search, replay, "),
        (["--vrsion"], "unknown option '--vrsion'; did you mean '--version'?"),
        (["replay"], "RUN is missing: A run's folder"),
        (["materialize", "resnet18", "resnet34"], "(resnet34); see "),
    ],
)
def test_commands(arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert expected in refused(capsys, arguments, None)


def test_without_arguments_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([])
    printed = capsys.readouterr()
    assert stop.value.code == 2
    assert "materialize" in printed.out + printed.err
    assert "error" not in printed.err


@pytest.mark.parametrize("command", ["search", "materialize"])
@pytest.mark.parametrize("alone", [False, True])
def test_version(command: str, alone: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"] if alone else [command, "--version"], alone=command if alone else None)
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"se-nas {__version__}\n"


@pytest.mark.parametrize("command", ["search", "materialize"])
def test_a_runner_is_named_as_it_is_called(command: str) -> None:
    runner = ROOT / "runners" / f"{command}.py"
    for option, expected in (
        ("--help", f"Usage: {command}.py [OPTIONS]"),
        ("--version", "se-nas "),
    ):
        done = subprocess.run(
            [sys.executable, str(runner), option], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(expected)


@pytest.mark.parametrize("odd", ["a\nb", "\x1b[31mred", "[/b]", "caf\udce9", "\u202egnp"])
@pytest.mark.parametrize(
    "option", ["--space", "--out", "--resume", "--sampler", "--spce", "--data-dir"]
)
def test_an_error_that_quotes_any_characters_is_one_line_of_plain_text(
    odd: str, option: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rest = ["--space", "digits_se", "--data", "imagefolder"]
    rest += [] if option == "--data-dir" else ["--data-dir", str(tmp_path / "gone")]
    line = refused(capsys, [*rest, option, odd], "search").rstrip("\n")
    assert line.isprintable()
