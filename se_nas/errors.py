"""One exception for bad input: one line that names the field, the value and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from se_nas.texts import LONGEST_WORD, first_line, one_line, written

# Characters of a list of allowed words.
SHOWN = 200


class InputError(ValueError):
    """Input that cannot be used. The commands print it as one line and exit with code 2."""

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


class Unknown(InputError):
    """A word that is not among those allowed; ``text`` can offer another than the nearest."""

    def __init__(self, what: str, value: object, allowed: tuple[str, ...], hint: str) -> None:
        self.what, self.value, self.allowed, self.hint = what, value, allowed, hint
        super().__init__(self.text())

    def __reduce__(self) -> tuple[Any, ...]:
        return Unknown, (self.what, self.value, self.allowed, self.hint)

    def text(self, near: str | None = None) -> str:
        """Return the message; it offers ``near``, or else the nearest of the allowed words."""
        value = self.value if isinstance(self.value, str) else written(self.value)
        close = difflib.get_close_matches(value[:LONGEST_WORD], self.allowed, n=1, cutoff=0.5)
        near = near or (close[0] if close else None)
        guess = f"; did you mean {near!r}?" if near else ";"
        few = 12 if near else max(12, sum(end <= SHOWN for end in _ends(self.allowed)))
        more = f", … ({len(self.allowed)} in all)" if len(self.allowed) > few else ""
        shown = ", ".join(self.allowed[:few]) + more
        text = f"unknown {self.what} {written(self.value)}{guess} allowed: {shown}{self.hint}"
        return one_line(text)


def unknown(what: str, value: object, allowed: Iterable[object], hint: str = "") -> InputError:
    """Return the error for a name that is not among ``allowed``; it offers the nearest match.

    >>> print(unknown("gate", "sigmiod", ["sigmoid", "tanh"]))
    unknown gate 'sigmiod'; did you mean 'sigmoid'? allowed: sigmoid, tanh
    """
    return Unknown(what, value, tuple(str(name) for name in allowed), hint)


def _ends(words: Iterable[str]) -> Iterable[int]:
    """Return where each word ends in a list of them."""
    return accumulate(len(word) + 2 for word in words)


def described(error: BaseException) -> str:
    """Return the first line of an exception, behind its class's name where that says something.

    >>> described(ValueError("no")), described(InputError("give a number")), described(KeyError())
    ('ValueError: no', 'give a number', 'KeyError')
    """
    name, line = type(error).__name__, first_line(error)
    return line if isinstance(error, InputError) or line == name else f"{name}: {line}"
