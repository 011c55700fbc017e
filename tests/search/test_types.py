"""The seams of the search have types: ``Any`` is the exception."""

from __future__ import annotations

import re
from pathlib import Path

import se_nas.search

FOLDER = Path(se_nas.search.__file__).parent
# A third of what it was before trials' reports, records, callbacks and Ray's calls had types.
MOST = 89  # the last 4 are of the report: JSON, of plotly and of results.json


def anys(text: str) -> int:
    """The number of times that ``Any`` is written in a source: code, strings and comments alike."""
    return len(re.findall(r"\bAny\b", text))


def test_any_is_counted_wherever_it_stands() -> None:
    text = "from typing import Any\nx: dict[str, Any] = {}  # Any\ny: 'Any' = x\nMany = 1\n"
    assert anys(text) == 4


def test_any_is_rare_in_the_search() -> None:
    counts = {
        str(file.relative_to(FOLDER)): anys(file.read_text(encoding="utf-8"))
        for file in FOLDER.rglob("*.py")
    }
    assert sum(counts.values()) <= MOST, {name: n for name, n in counts.items() if n}
