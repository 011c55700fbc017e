"""JSON as it is meant: no key twice, no numbers that JSON does not have."""

from __future__ import annotations

import json
from typing import Any

from se_nas.texts import written


def read_json(text: str) -> Any:
    """Return the value of a JSON document.

    Raises:
        ValueError: it is none, it has a key twice or NaN in it, or it is nested too deep.
    """
    if not isinstance(text, str):
        raise ValueError(f"a text is needed, not {written(text)[:80]}")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON")
