"""One exception for bad input: one line that names the field, the value and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """What the user gave cannot be used. The commands print it as one line and exit with 2."""


def unknown(what: str, value: object, allowed: Iterable[object], hint: str = "") -> InputError:
    """The error for a name that is not among ``allowed``; offers the nearest match.

    >>> print(unknown("gate", "sigmiod", ["sigmoid", "tanh"]))
    unknown gate 'sigmiod'; did you mean 'sigmoid'? allowed: sigmoid, tanh
    """
    names = [str(name) for name in allowed]
    near = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5)
    guess = f"; did you mean {near[0]!r}?" if near else ";"
    few = 12 if near else 40
    shown = ", ".join(names[:few]) + (f", … ({len(names)} in all)" if len(names) > few else "")
    return InputError(f"unknown {what} {value!r}{guess} allowed: {shown}{hint}")
