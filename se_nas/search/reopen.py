"""Take up a run: its space and settings from its folder, and what may be different now."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from se_nas.errors import InputError
from se_nas.search.config import HIDDEN, SearchConfig
from se_nas.search.directory import RunDirectory, versions
from se_nas.search.lock import is_held
from se_nas.space import Space

# What the trials that are there do not depend on; ``RunConfig.processes`` they do depend on.
MAY_CHANGE = frozenset(
    {
        *("trials", "gpus", "gpus_per_trial", "cpus_per_trial", "concurrency", "address"),
        *("dashboard", "dashboard_host", "tensorboard", "storage"),
        *("top", "final_seeds", "final_epochs", "max_failed_share"),
        *("data_dir", "latency_cache"),
    }
)
# Options that are not settings of a run.
APART = frozenset({"resume", "join", "space", "name", "out", "dry_run"})
SHOWN = 4


def read_space(run: RunDirectory, given: Space | None) -> Space:
    """The run's space.

    Raises:
        InputError: another one is given, or this version reads the file as another one.
    """
    written = run.read("space.json")
    path = run.path / "space.json"
    space = Space.from_json(path.read_text(encoding="utf-8"))
    for other, whose in ((space, "as this version reads it"), (given, "as it is given")):
        if other is None:
            continue
        check_space(written, other, f"{other.name!r} {whose}", f"the run {run.shown}")
    return space


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


def settle(run: RunDirectory, asked: SearchConfig, named: Collection[str]) -> SearchConfig:
    """The run's settings with the changes that are asked for.

    Args:
        asked: the settings of the command line.
        named: its options that the user wrote, by their names there (``data_dir``).

    Raises:
        InputError: an option differs that cannot change.
    """
    stored = SearchConfig.from_dict(run.read("settings.json"))
    changes = check_settings(stored, asked, named, f"the run {run.shown}")
    if "data_dir" in changes:
        stored = replace(stored, data=replace(stored.data, folder=changes.pop("data_dir")))
    if "latency_cache" in changes:
        cache = changes.pop("latency_cache")
        stored = replace(stored, latency=replace(stored.latency, cache=cache))
    config = replace(stored, **changes)
    if config.storage is not None and HIDDEN in config.storage:
        raise InputError(
            f"the storage of the run {run.shown} needs its password, which is not kept: give "
            f"--storage {config.storage}"
        )
    if run.complete and not {"trials", "top", "final_seeds", "final_epochs"} & set(changes):
        raise InputError(
            f"the run {run.shown} is complete: its results are in results.json; with more --trials "
            "it goes on"
        )
    return config


def check_settings(
    stored: SearchConfig, asked: SearchConfig, named: Collection[str], where: str
) -> dict[str, Any]:
    """The options that the user wrote and that differ from a run's or a study's settings.

    Raises:
        InputError: one of them cannot change.
    """
    before, now = flat(stored), flat(asked)
    changes: dict[str, Any] = {}
    for name in sorted(set(named) - APART):
        if now[name] == before[name]:
            continue
        if name not in MAY_CHANGE:
            option = f"--{name.replace('_', '-')}"
            raise InputError(
                f"{option} is {now[name]!r}, in {where} it is {before[name]!r}: that cannot change;"
                f" leave {option} out, or start a new run"
            )
        changes[name] = now[name]
    if "gpus_per_trial" in changes and asked.processes != stored.processes:
        raise InputError(
            f"--gpus-per-trial is {asked.gpus_per_trial:g}, in {where} it is "
            f"{stored.gpus_per_trial:g}: every batch would be trained in {asked.processes} "
            f"part{'s' * (asked.processes != 1)} instead of {stored.processes}, and that cannot "
            "change; leave it out, or start a new run"
        )
    return changes


def common(config: SearchConfig) -> dict[str, Any]:
    """What the drivers of a study have in common: what results depend on, and how many trials."""
    data, latency = replace(config.data, folder=None), replace(config.latency, cache=None)
    values = replace(config, data=data, latency=latency).to_dict()
    own = (MAY_CHANGE | APART) - {"trials", "gpus_per_trial"}
    return {name: value for name, value in values.items() if name not in own}


def cut_before(space: Space, config: SearchConfig) -> RunDirectory | None:
    """The newest run in ``config.out`` with this space and these settings that was cut."""
    files = Path(config.out).glob("*/settings.json")
    for file in sorted(files, key=lambda file: file.stat().st_mtime, reverse=True):
        run = RunDirectory(file.parent)
        try:
            settings = SearchConfig.from_dict(run.read("settings.json"))
            same = run.read("space.json") == _plain(space) and _fixed(settings) == _fixed(config)
        except (InputError, TypeError):  # of another version
            continue
        if same and not run.complete and not is_held(run):
            return run
    return None


def _fixed(config: SearchConfig) -> dict[str, Any]:
    fixed = {name: v for name, v in flat(config).items() if name not in MAY_CHANGE | APART}
    return fixed | {"processes": config.processes}


def notes(run: RunDirectory, repaired: str = "") -> list[str]:
    """What a user should know of a run that is taken up: what was mended, other versions."""
    last, now = _last_session(run), versions()
    different = [
        f"{name} was {last.get(name, 'unknown')} and is {value}"
        for name, value in now.items()
        if last.get(name) != value
    ]
    return [repaired, *different] if repaired else different


def note_session(run: RunDirectory, config: SearchConfig) -> None:
    """Write the settings that hold from now on, and with which versions."""
    began = run.read("versions.json")
    when = datetime.now(timezone.utc).isoformat(timespec="seconds")
    sessions = [*began.get("resumed", []), {"at": when, **versions()}]
    run.write("versions.json", began | {"resumed": sessions})
    run.write("settings.json", config.to_dict())


def _last_session(run: RunDirectory) -> dict[str, Any]:
    began = run.read("versions.json")
    sessions: list[Any] = began.get("resumed", [])
    return began | (sessions[-1] if sessions else {})


def flat(config: SearchConfig) -> dict[str, Any]:
    """The settings by the names of their options."""
    values = config.to_dict()
    data, recipe, latency = values.pop("data"), values.pop("recipe"), values.pop("latency")
    own = {name: recipe.pop(name) for name in ("batch_size", "learning_rate")}
    return {
        **values,
        "storage": config.storage,
        "data": data["name"],
        "data_dir": data["folder"],
        **{name: data[name] for name in ("image_size", "val_images", "limit_train")},
        "recipe": recipe,
        **{f"latency_{name}": value for name, value in latency.items()},
        **own,
    }


def _plain(space: Space) -> Any:
    return json.loads(space.to_json())


def _differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Where two JSON values differ: ``trunk.width: 8 → 16``."""
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
