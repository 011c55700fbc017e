"""Checks of single values that a user gave, NumPy's among them."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any

from se_nas.errors import InputError
from se_nas.texts import written

# A number above it is a typing error, and no counter of torch's or a database's has room for more.
MOST = 10**12


def as_python(value: Any) -> Any:
    """Return NumPy's numbers, truth values and texts as Python's; other things as they are.

    All doors of the package go through here: names, JSON and hashes then have one kind of number.
    Tuples are looked into; an array with a dimension is not a number, even with one entry.

    >>> import numpy as np
    >>> as_python((np.int64(3), np.float64(0.5), np.str_("avg"), np.True_, "r16"))
    (3, 0.5, 'avg', True, 'r16')
    """
    if type(value) is tuple:
        return tuple(as_python(item) for item in value)
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        try:
            value = value.item()
        except (RuntimeError, ValueError):  # of torch, without a value on the meta device
            return value
        # What is wider than Python's floats stays as it is there.
        return float(value) if hasattr(value, "dtype") and hasattr(value, "__float__") else value
    return value


def is_number(value: object) -> bool:
    """Return whether a ``as_python`` value is a finite number; a truth value is none.

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
    one = as_python(value)
    try:
        # An array of one entry has an index in some libraries.
        no_number = isinstance(one, bool) or hasattr(one, "shape")
        number = None if no_number else operator.index(one)
    except TypeError:
        number = None
    if number is None or not least <= number <= (MOST if most is None else most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        if most is None and number is not None and number > MOST:
            allowed = f"from {least} to {MOST}"
        raise InputError(f"{name} is {written(value)}; give a whole number {allowed}{hint}")
    return number


def among(value: object, allowed: Iterable[object]) -> bool:
    """Return whether a value is one of ``allowed``; what cannot be compared, as arrays, is none."""
    try:
        return bool(value in tuple(allowed))
    except Exception:
        return False


def sequence(name: str, value: Any) -> tuple[Any, ...]:
    """Return the items of a list or another iterable.

    Raises:
        InputError: it is none, or a text.
    """
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        return tuple(value)
    except TypeError:
        raise InputError(f"{name} is {written(value)}; give a list") from None
