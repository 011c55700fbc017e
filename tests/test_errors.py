"""Checks and words that every part of the package shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from se_nas.errors import InputError, described, first_line, printable, unknown, whole


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_a_whole_number_comes_back_as_a_plain_int(value: Any) -> None:
    assert whole("epochs", value, 3, 3) == 3
    assert type(whole("epochs", value, 1)) is int


@pytest.mark.parametrize("value", [True, np.True_, 2.0, "2", None, 0, -1, np.int64(0)])
def test_what_is_no_whole_number_or_too_small_is_named(value: Any) -> None:
    with pytest.raises(InputError) as error:
        whole("epochs", value, 1)
    assert str(error.value) == f"epochs is {value!r}; give a whole number of at least 1"


def test_both_bounds_are_named_and_a_hint_comes_behind_them() -> None:
    with pytest.raises(InputError, match=r"^seed is 9; give a whole number from 0 to 8\.$"):
        whole("seed", 9, 0, 8, ".")


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
