"""Checks and words that every part of the package shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from se_nas.errors import InputError, first_line, whole


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
