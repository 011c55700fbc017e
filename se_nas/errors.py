"""One exception for bad input: one line that names the field, the value and what is allowed."""

from __future__ import annotations

import difflib
import operator
import unicodedata
from collections.abc import Iterable
from typing import Any

# Control characters, halves of surrogate pairs (names of files that are not UTF-8), line ends.
UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
# Marks that turn the order of the characters around them, so that a text reads as another.
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def printable(text: object) -> str:
    r"""Return a text as one line that a terminal, a log and a file show as it is.

    Characters that would move a cursor, colour, end a line or reverse its order are escaped as in
    Python; the words of others (names of files, messages of exceptions) may hold any.

    >>> print(printable("a\x1b[31m\nb"))
    a\x1b[31m\nb
    """
    return "".join(map(_shown, str(text)))


def _shown(character: str) -> str:
    if character not in BIDI and unicodedata.category(character) not in UNPRINTABLE:
        return character
    return character.encode("unicode_escape").decode("ascii")


def is_utf8(text: str) -> bool:
    """Return whether a text can be written as UTF-8: names of files can be any bytes."""
    return all(unicodedata.category(character) != "Cs" for character in text)


class InputError(ValueError):
    """Input that cannot be used. The commands print it as one line and exit with code 2."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


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
        return printable(f"unknown {self.what} {self.value!r}{guess} allowed: {shown}{self.hint}")


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


def described(error: BaseException) -> str:
    """Return the first line of an exception, behind its class's name where that says something.

    >>> described(ValueError("no")), described(InputError("give a number")), described(KeyError())
    ('ValueError: no', 'give a number', 'KeyError')
    """
    name, line = type(error).__name__, first_line(error)
    return line if isinstance(error, InputError) or line == name else f"{name}: {line}"


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its class's name if it has none.

    It is printable: exceptions quote names of files, and output of other programs.

    >>> first_line(ValueError("no\\nyes")), first_line(MemoryError())
    ('no', 'MemoryError')
    """
    return printable((str(error).strip() or type(error).__name__).splitlines()[0])
