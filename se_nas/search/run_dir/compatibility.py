"""Checks that the drivers of a run or a study agree on its space and settings."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from se_nas.errors import InputError
from se_nas.search.config import SearchConfig
from se_nas.settings import by_option, settings_of, with_options
from se_nas.space.space import Space

# Settings that existing trials do not depend on; they do on ``SearchConfig.processes``.
MAY_CHANGE = frozenset(
    name for name, own in settings_of(SearchConfig).items() if own.on_resume == "may change"
)
# Settings that say which run it is, and where: not compared.
APART = frozenset(
    name for name, own in settings_of(SearchConfig).items() if own.on_resume == "apart"
)
SHOWN = 4


def check_space(written: Any, space: Space, whose: str, where: str) -> None:
    """Refuse a space that is not the one ``written`` in a run or a study.

    Raises:
        InputError: with the differences.
    """
    found = list(_differences(written, _plain(space)))
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise InputError(
            f"the space {whose} is not that of {where}: {'; '.join(found[:SHOWN])}{more}; results "
            "of two spaces do not go into one study: start a new run"
        )


def check_settings(
    stored: SearchConfig, asked: SearchConfig, named: Collection[str], where: str
) -> dict[str, Any]:
    """Return the options that the user wrote and that differ from a run's or study's settings.

    Raises:
        InputError: one of them cannot change.
    """
    before, now = by_option(stored), by_option(asked)
    changes: dict[str, Any] = {}
    for name in sorted(set(named) & set(now) - APART):
        if now[name] == before[name]:
            continue
        if name not in MAY_CHANGE:
            raise InputError(
                f"`{name}` is {now[name]!r}, in {where} it is {before[name]!r}: that cannot "
                f"change; leave `{name}` out, or start a new run"
            )
        changes[name] = now[name]
    if "gpus_per_trial" in changes and asked.processes != stored.processes:
        raise InputError(
            f"`gpus_per_trial` is {asked.gpus_per_trial:g}, in {where} it is "
            f"{stored.gpus_per_trial:g}: every batch would be trained in {asked.processes} "
            f"part{'s' * (asked.processes != 1)} instead of {stored.processes}, and that cannot "
            "change; leave it out, or start a new run"
        )
    return changes


def shared_settings(config: SearchConfig) -> dict[str, Any]:
    """Return the settings that all drivers of a study share: those of results, and ``trials``."""
    table, default = settings_of(SearchConfig), by_option(SearchConfig())
    own = {name: default[name] for name, each in table.items() if not each.shared}
    fields = {each.path[0] for name, each in table.items() if name in own and len(each.path) == 1}
    values = with_options(config, own).to_dict()
    return {name: value for name, value in values.items() if name not in fields}


def _plain(space: Space) -> Any:
    return json.loads(space.to_json())


def _differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Yield the differences of two JSON values: ``trunk.width: 8 → 16``."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            inner = f"{path}.{key}" if path else key
            yield from _differences(before.get(key), now.get(key), inner)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for i, (a, b) in enumerate(zip(before, now, strict=True)):
            yield from _differences(a, b, f"{path}[{i}]")
    elif before != now:
        yield f"{path}: {_short(before)} → {_short(now)}"


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
