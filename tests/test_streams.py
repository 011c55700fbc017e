"""Standard output that is gone, full, closed or of few characters."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live

from se_nas.search.user_input import console_for
from se_nas.streams import PLAIN, SteadyStream, encodable, note_if_lost, steady_streams

ROOT = Path(__file__).parents[1]
TABLE = [sys.executable, str(ROOT / "runners" / "materialize.py"), "--table", "2"]


class Broken(io.StringIO):
    """A stream that takes a line, and then no more."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error, self.lines = error, 0

    def write(self, text: str) -> int:
        self.lines += 1
        if self.lines > 1:
            raise self.error
        return super().write(text)


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC, errno.EIO])
def test_a_stream_that_takes_nothing_more_ends_nothing(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = Broken(OSError(number, os.strerror(number)))
    monkeypatch.setattr(sys, "stdout", stream)
    console = Console(file=SteadyStream("stdout", note_if_lost("it goes on")))  # type: ignore[arg-type]
    for text in ("one", "two", "three"):
        console.print(text)
    assert stream.getvalue() == "one\n"
    told = f"note: standard output takes nothing more ({os.strerror(number)}); it goes on\n"
    assert capsys.readouterr().err == told


def test_a_closed_stream_is_one_that_is_gone() -> None:
    stream = io.StringIO()
    steady = SteadyStream(stream)
    stream.close()
    steady.write("text")
    assert steady.error is not None
    assert not steady.isatty()


def test_other_errors_than_of_the_stream_are_shown() -> None:
    with pytest.raises(TypeError):
        SteadyStream(io.StringIO()).write(5)  # type: ignore[arg-type]


def test_all_characters_of_ours_have_a_plain_form() -> None:
    for character, plain in PLAIN.items():
        assert encodable(chr(character), "ascii") == plain
    assert encodable("größe \udcff →", "utf-8") == "größe \\udcff →"


def test_a_live_line_and_what_is_printed_beside_it_reach_the_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("TERM", "xterm")
    with steady_streams():
        console = console_for(progress=True)
        with Live("the line", console=console):
            print("beside it")
            console.print("a note")
    assert out is sys.stdout
    for text in ("the line", "beside it", "a note"):
        assert text in out.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_table_is_written_in_any_encoding(encoding: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(TABLE, capture_output=True, env=environment, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "resnet" in done.stdout.decode(encoding)


@pytest.mark.parametrize(
    ("shell", "code", "told"),
    [
        ("{} | head -1 >/dev/null; exit ${{PIPESTATUS[0]}}", 0, ""),
        ("{} >&-", 0, ""),
        ("{} <&- >&- 2>&-", 0, ""),
        (
            "{} >/dev/full",
            2,
            "error: standard output cannot be written: No space left on device\n",
        ),
        ("{} >/dev/full 2>/dev/full", 2, ""),
        ("{} --no-such-option >&- 2>&-", 2, ""),
    ],
)
def test_a_command_whose_output_goes_nowhere_ends_as_it_should(
    shell: str, code: int, told: str
) -> None:
    command = ["bash", "-c", shell.format(" ".join(TABLE))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (code, told)
