"""One exception for bad input: one line that names the field, the value and what is allowed."""

from __future__ import annotations

import difflib
import math
import operator
import re
import unicodedata
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

HIDDEN = "***"  # in the place of a password
# A number above it is a typing error, and no counter of torch's or a database's has room for more.
MOST = 10**12
# Characters of a message, and of a word in it; longer ones are cut to so many.
LONGEST, LONGEST_WORD, CUT_WORD = 600, 200, 120
# Characters of a list of allowed words.
SHOWN = 200
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
    if number is None or not least <= number <= (MOST if most is None else most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        if most is None and number is not None and number > MOST:
            allowed = f"from {least} to {MOST}"
        raise InputError(f"{name} is {written(value)}; give a whole number {allowed}{hint}")
    return number


def described(error: BaseException) -> str:
    """Return the first line of an exception, behind its class's name where that says something.

    >>> described(ValueError("no")), described(InputError("give a number")), described(KeyError())
    ('ValueError: no', 'give a number', 'KeyError')
    """
    name, line = type(error).__name__, first_line(error)
    return line if isinstance(error, InputError) or line == name else f"{name}: {line}"


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


def written(value: object) -> str:
    """Return a value as a message has it; its type where it cannot be written.

    >>> written("a b"), written(10**5000)
    ("'a b'", 'an int that cannot be written')
    """
    try:
        return repr(value)
    except Exception:  # a number of thousands of digits, nesting, a user's own __repr__
        name = type(value).__name__
        return f"a{'n' * (name[0] in 'aeiou')} {name} that cannot be written"


def one_line(message: str) -> str:
    """Return a message as one line that any terminal may show.

    Whatever a user or a file wrote may be in it: line breaks become blanks, other control
    characters are escaped, words that are too long lose their middle, and passwords of URLs are
    hidden.

    >>> one_line("name is 'a\\x1b[1m\\nb'"), one_line("mysql://me:secret@host/db")
    ("name is 'a\\\\x1b[1m b'", 'mysql://me:***@host/db')
    """
    message = re.sub(r"\s*[\n\r\v\f]+\s*", " ", without_password(message.strip()))
    message = re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: _cut(word[0], CUT_WORD), message)
    message = _cut(message, LONGEST)
    return printable(message)


def without_password(text: str) -> str:
    """Return a text in which the passwords of URLs are hidden.

    >>> without_password("mysql://me:s@cret@host/db"), without_password("sqlite:///study.db")
    ('mysql://me:***@host/db', 'sqlite:///study.db')
    """
    text = re.sub(r"(://[^:/@\s]*):\S*@", rf"\1:{HIDDEN}@", text)
    return re.sub(r"(?i)([?&](?:password|passwd|pwd)=)[^&\s'\"]*", rf"\1{HIDDEN}", text)


def _ends(words: Iterable[str]) -> Iterable[int]:
    """Return where each word ends in a list of them."""
    return accumulate(len(word) + 2 for word in words)


def _cut(text: str, most: int) -> str:
    """Return a text, without its middle if it is longer than ``most``."""
    return text if len(text) <= most else f"{text[: most * 3 // 5]}…{text[-most // 3 :]}"


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its class's name if it has none.

    It is printable: exceptions quote names of files, and output of other programs.

    >>> first_line(ValueError("no\\nyes")), first_line(MemoryError())
    ('no', 'MemoryError')
    """
    return printable((str(error).strip() or type(error).__name__).splitlines()[0])
