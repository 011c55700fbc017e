"""The words of others as one line that a terminal, a log and a file may show."""

from __future__ import annotations

import re
import unicodedata

HIDDEN = "***"  # in the place of a password
# Characters of a message, and of a word in it; longer ones are cut to so many.
LONGEST, LONGEST_WORD, CUT_WORD = 600, 200, 120
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
