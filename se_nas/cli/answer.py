"""The answer of a command as one JSON document on standard output, for programs.

What people read goes to standard error then. docs/json.md has the keys of each command.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document; lines for people go to stderr.")
]


def answering(command: str, as_json: bool) -> Callable[[Mapping[str, Any]], None]:
    """Return what takes the answer of the running command; without ``as_json`` it is not said.

    Call it before anything is printed: from then on, prints go to standard error.
    """
    if not as_json:
        return lambda values: None
    out = sys.stdout
    sys.stdout = sys.stderr  # ``se_nas.cli.main`` puts both back

    def answer(values: Mapping[str, Any]) -> None:
        # In one write: a reader never sees half of it.
        out.write(json.dumps({"command": command, **plain(values)}, indent=1) + "\n")
        out.flush()

    return answer


def plain(value: Any) -> Any:
    """Return a value as JSON has it; numbers that are not finite are None.

    >>> plain({"a": (1, float("nan")), 3: Path("b")})
    {'a': [1, None], '3': 'b'}
    """
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
