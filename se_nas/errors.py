"""One exception for bad input: one line that names the field, the value and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """What the user gave cannot be used. The commands print it as one line and exit with 2."""


class Unknown(InputError):
    """A word that is not among those allowed; ``text`` can offer another than the nearest."""

    def __init__(self, what: str, value: object, allowed: tuple[str, ...], hint: str) -> None:
        self.what, self.value, self.allowed, self.hint = what, value, allowed, hint
        super().__init__(self.text())

    def text(self, near: str | None = None) -> str:
        """The message, which offers ``near`` or else the nearest of the allowed words."""
        close = difflib.get_close_matches(str(self.value), self.allowed, n=1, cutoff=0.5)
        near = near or (close[0] if close else None)
        guess = f"; did you mean {near!r}?" if near else ";"
        few = 12 if near else 40
        more = f", … ({len(self.allowed)} in all)" if len(self.allowed) > few else ""
        shown = ", ".join(self.allowed[:few]) + more
        return f"unknown {self.what} {self.value!r}{guess} allowed: {shown}{self.hint}"


def unknown(what: str, value: object, allowed: Iterable[object], hint: str = "") -> InputError:
    """The error for a name that is not among ``allowed``; offers the nearest match.

    >>> print(unknown("gate", "sigmiod", ["sigmoid", "tanh"]))
    unknown gate 'sigmiod'; did you mean 'sigmoid'? allowed: sigmoid, tanh
    """
    return Unknown(what, value, tuple(str(name) for name in allowed), hint)
