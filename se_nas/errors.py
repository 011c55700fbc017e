"""One exception for bad input: one line that names the field, the value and what is allowed."""

from __future__ import annotations

import difflib
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
    try:
        number = None if isinstance(value, bool) else operator.index(value)
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
