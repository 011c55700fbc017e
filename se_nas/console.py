"""Names of architectures in tables: broken between their words, never inside one."""

from __future__ import annotations

import re

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text


class ArchitectureCell:
    """A cell that breaks behind ``_`` and ``-``; a word longer than its column is folded."""

    def __init__(self, text: object) -> None:
        self.text = str(text)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        longest = max(map(len, _words(self.text)), default=0)
        return Measurement(longest, len(self.text)).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text("\n".join(wrap_name(self.text, options.max_width)), overflow="fold")


def wrap_name(name: str, width: int) -> list[str]:
    """Break ``name`` into lines of at most ``width`` characters, as far as its words allow.

    >>> wrap_name("se_resnet8_small-width8_s2_r4_pre", 16)
    ['se_resnet8_', 'small-width8_s2_', 'r4_pre']
    """
    found = [""]
    for word in _words(name):
        if found[-1] and len(found[-1] + word) > width:
            found.append("")
        found[-1] += word
    return found


def _words(name: str) -> list[str]:
    return re.findall(r"[^_-]+[_-]?|[_-]", name)
