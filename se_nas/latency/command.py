"""The user's own tool as a stopwatch: a command that is given an ONNX file. No torch here."""

from __future__ import annotations

import math
import shlex
import subprocess
from pathlib import Path

from se_nas.errors import InputError
from se_nas.texts import first_line, written

ONNX = "{onnx}"  # stands for the file's path
TIMEOUT_S = 600.0


def check_command(command: str) -> None:
    """Check that a command can be split into words, and takes a file.

    Raises:
        InputError: a quotation mark is not closed, or ``{onnx}`` is missing.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(f"latency command {written(command)}: {first_line(error)}") from None
    if not any(ONNX in word for word in words[1:]):
        raise InputError(
            f"latency command {written(command)} has no {ONNX} behind the program's name: the "
            "path of the file to time goes there, as in 'python time_it.py {onnx}'"
        )


def milliseconds(command: str, file: Path) -> float:
    """Return what the command prints for a file, on the last line: ``3.25`` or ``3.25 ms``.

    It runs without a shell; ``sh -c '… "$0"' {onnx}`` has one.

    Raises:
        InputError: the program is not there, fails, takes over ten minutes, or prints no time.
    """
    words = [word.replace(ONNX, str(file)) for word in shlex.split(command)]
    said = f"latency command {written(command)}"
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
        )
    except OSError as error:
        raise InputError(f"{said}: {error.strerror or error}: {words[0]!r}") from None
    except subprocess.TimeoutExpired:
        raise InputError(f"{said}: no answer for {TIMEOUT_S:g} s") from None
    if done.returncode:
        told = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise InputError(f"{said}: exit code {done.returncode}{': ' + told[-1] if told else ''}")
    lines = done.stdout.strip().splitlines()
    last = lines[-1].strip() if lines else ""
    try:
        time_ms = float(last.removesuffix("ms"))
    except ValueError:
        time_ms = math.nan
    if not (math.isfinite(time_ms) and time_ms > 0):
        raise InputError(
            f"{said}: its last line is {written(last)}, not the milliseconds of a pass, as 3.25"
        )
    return time_ms
