"""The words of others and of exceptions, on one line."""

from __future__ import annotations

import pytest

from se_nas.errors import InputError, described, unknown
from se_nas.texts import first_line, printable


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("first\nsecond"), "first"),
        (ValueError("\n behind a blank line\n"), "behind a blank line"),
        (ValueError(""), "ValueError"),
        (MemoryError(), "MemoryError"),
        (KeyError("name"), "'name'"),
    ],
)
def test_an_error_is_told_in_one_line(error: Exception, line: str) -> None:
    assert first_line(error) == line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain — ünïcode 中文 🙂", "plain — ünïcode 中文 🙂"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\a", r"\x1b]0;title\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("a\r\nb\bc\td\x7f", r"a\r\nb\x08c\td\x7f"),
        ("\u2028\u202egnp.exe\u2066", r"\u2028\u202egnp.exe\u2066"),
        ("caf\udce9.png", r"caf\udce9.png"),
    ],
)
def test_the_words_of_others_are_one_line_that_cannot_move_the_cursor(
    text: str, shown: str
) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown
    for message in (
        str(InputError(f"there is no {text}")),
        str(unknown("file", text, [text])),
        first_line(ValueError(f"no {text}")),
        described(RuntimeError(f"no {text}")),
    ):
        assert message.isprintable()
