"""One exception for bad input: one line that names the field, the value and what is allowed."""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Iterable
from typing import Any


class InputError(ValueError):
    """Input that cannot be used. The commands print it as one line and exit with code 2."""


class Unknown(InputError):
    """A word that is not among those allowed; ``text`` can offer another than the nearest."""

    def __init__(self, what: str, value: object, allowed: tuple[str, ...], hint: str) -> None:
        self.what, self.value, self.allowed, self.hint = what, value, allowed, hint
        super().__init__(self.text())

    def text(self, near: str | None = None) -> str:
        """Return the message; it offers ``near``, or else the nearest of the allowed words."""
        close = difflib.get_close_matches(str(self.value), self.allowed, n=1, cutoff=0.5)
        near = near or (close[0] if close else None)
        guess = f"; did you mean {near!r}?" if near else ";"
        few = 12 if near else 40
        more = f", … ({len(self.allowed)} in all)" if len(self.allowed) > few else ""
        shown = ", ".join(self.allowed[:few]) + more
        return f"unknown {self.what} {self.value!r}{guess} allowed: {shown}{self.hint}"


def unknown(what: str, value: object, allowed: Iterable[object], hint: str = "") -> InputError:
    """Return the error for a name that is not among ``allowed``; it offers the nearest match.

    >>> print(unknown("gate", "sigmiod", ["sigmoid", "tanh"]))
    unknown gate 'sigmiod'; did you mean 'sigmoid'? allowed: sigmoid, tanh
    """
    return Unknown(what, value, tuple(str(name) for name in allowed), hint)


def plain(value: Any) -> Any:
    """Return NumPy's numbers, truth values and texts as Python's; other things as they are.

    All doors of the package go through here: names, JSON and hashes then have one kind of number.
    Tuples are looked into; an array with a dimension is not a number, even with one entry.

    >>> import numpy as np
    >>> plain((np.int64(3), np.float64(0.5), np.str_("avg"), np.True_, "r16"))
    (3, 0.5, 'avg', True, 'r16')
    """
    if type(value) is tuple:
        return tuple(plain(item) for item in value)
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        try:
            value = value.item()
        except (RuntimeError, ValueError):  # of torch, without a value on the meta device
            return value
        # What is wider than Python's floats stays as it is there.
        return float(value) if hasattr(value, "dtype") and hasattr(value, "__float__") else value
    return value


def is_number(value: object) -> bool:
    """Return whether a ``plain`` value is a finite number; a truth value is none.

    >>> is_number(0.5), is_number(3), is_number(float("nan")), is_number(True), is_number("3")
    (True, True, False, False, False)
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    # Whole numbers are finite, also those that no float can hold.
    return isinstance(value, int) or math.isfinite(value)


def whole(name: str, value: Any, least: int, most: int | None = None, hint: str = "") -> int:
    """Return ``value`` as a plain int: a whole number, numpy's too, within the bounds.

    Args:
        name: of the value, for the message.
        least, most: the smallest and the largest number allowed; no largest if not given.
        hint: further text at the end of the message.

    Raises:
        InputError: it is below ``least`` or above ``most``, or no whole number: ``2.0`` and
            ``True`` are none.

    >>> whole("epochs", 3, 1)
    3
    """
    one = plain(value)
    try:
        # An array of one entry has an index in some libraries.
        no_number = isinstance(one, bool) or hasattr(one, "shape")
        number = None if no_number else operator.index(one)
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"{name} is {value!r}; give a whole number {allowed}{hint}")
    return number


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its class's name if it has none.

    >>> first_line(ValueError("no\\nyes")), first_line(MemoryError())
    ('no', 'MemoryError')
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0]
