"""Names of architectures: readable, safe as file names, and a bijection with the value.

    name   = ["se_"] trunk [se]
    trunk  = a named trunk { "-" setting value }     resnet18-width32-stem.small
    se     = "_" setting                             se_resnet50_r16_max      (all stages alike)
           | { "_s" stages "_" setting }             se_resnet50_s23_r16_s4_r8   (others: none)
    setting = "r" ratio { "_" token }                r16, r8_pre_tanh_nobias

All characters are safe in file names, but a name with another setting in every stage can be longer
than a file name may be (255): ``architecture.id`` is always short.

A token says what differs from ``SE()``'s defaults; ``se_nas.se.tokens`` has them all.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any, TypeAlias

from se_nas import trunks
from se_nas.architecture.suggestions import suggest_name
from se_nas.errors import InputError, Unknown, unknown
from se_nas.se import SE, SE_TOKEN
from se_nas.se import tokens as se_tokens
from se_nas.texts import written
from se_nas.trunks import Trunk
from se_nas.trunks.base import check_placement

Stages: TypeAlias = tuple[SE | None, ...]


def format_name(trunk: Trunk, stages: Stages) -> str:
    """Write the canonical name of a trunk with one ``SE | None`` for each of its stages."""
    groups: dict[SE, list[int]] = {}
    for number, se in zip(trunk.stages, stages, strict=True):
        if se is not None:
            groups.setdefault(se, []).append(number)
    base = trunk_name(trunk)
    if not groups:
        long = base
    elif list(groups.values()) == [list(trunk.stages)]:
        long = f"se_{base}_{se_name(next(iter(groups)))}"
    else:
        parts = (f"s{''.join(map(str, at))}_{se_name(se)}" for se, at in groups.items())
        long = f"se_{base}_{'_'.join(parts)}"
    return _public().get(long, long)


def parse_name(text: str) -> tuple[Trunk, Stages]:
    """Read a name: the trunk, and the ``SE | None`` of each of its stages.

    Raises:
        InputError: the name of a trunk, setting or token is unknown, or they do not fit.
    """
    if not isinstance(text, str) or not text:
        raise InputError(
            f"an architecture's name is a text like 'se_resnet50_r16'; got {written(text)}"
        )
    try:
        return _parse(text)
    except Unknown as error:
        near = suggest_name(text, se_tokens(), lambda candidate: format_name(*_parse(candidate)))
        raise InputError(error.text(near)) from None


def _parse(text: str) -> tuple[Trunk, Stages]:
    long = trunks.aliases().get(text, text)
    bare = long.removeprefix("se_")
    parts = bare.split("_")
    start = next((i for i, part in enumerate(parts) if SE_TOKEN.match(part)), len(parts))
    trunk_text, tokens = "_".join(parts[:start]), parts[start:]
    base = trunk_text.partition("-")[0]
    if base not in trunks.named():
        raise unknown("model", text, [*trunks.named(), *trunks.aliases()])
    trunk = parse_trunk(trunk_text)
    if bool(tokens) != long.startswith("se_"):
        want = f"se_{bare}" if tokens else f"se_{bare}_r16 (the ratio) or {bare} (no SE)"
        raise InputError(f"name {text!r} is incomplete; did you mean {want}?")
    stages: dict[int, SE | None] = dict.fromkeys(trunk.stages)
    if tokens and not re.match("s[0-9]", tokens[0]):
        stages = dict.fromkeys(trunk.stages, _parse_se(tokens, text))
        tokens = []
    for numbers, setting in _stage_groups(tokens, text):
        se = _parse_se(setting, text)
        for number in numbers:
            if number not in stages:
                raise InputError(
                    f"name {text!r}: stage {number} is not one of {list(trunk.stages)}"
                )
            if stages[number] is not None:
                raise InputError(f"name {text!r} gives stage {number} twice")
            stages[number] = se
    for number, setting_of_stage in stages.items():
        check_placement(trunk, number, setting_of_stage)
    return trunk, tuple(stages.values())


def trunk_name(trunk: Trunk) -> str:
    """Write a trunk as the nearest named trunk and the settings that differ from it."""
    family = trunks.families()[trunk.family]
    for base, candidate in family.named.items():
        if candidate == trunk:
            return base

    def differences(candidate: Trunk) -> list[str]:
        names = [field.name for field in fields(trunk)]
        return [n for n in names if getattr(candidate, n) != getattr(trunk, n)]

    base = min(family.named, key=lambda known: len(differences(family.named[known])))
    changed = differences(family.named[base])
    return "-".join([base] + [_setting_name(field, getattr(trunk, field)) for field in changed])


def parse_trunk(text: str) -> Trunk:
    """Read a trunk as ``trunk_name`` writes it.

    Raises:
        InputError: the trunk or a setting is unknown, a setting is given twice or not allowed.
    """
    if not isinstance(text, str):
        raise InputError(f"a trunk's name is a text like 'resnet50'; got {written(text)}")
    base, *settings = text.split("-")
    if base not in trunks.named():
        raise unknown("trunk", base, trunks.named())
    trunk = trunks.named()[base]
    changes: dict[str, Any] = {}
    for setting in settings:
        types = {field.name: getattr(trunk, field.name) for field in fields(trunk)}
        field = next((f for f in sorted(types, key=len, reverse=True) if setting.startswith(f)), "")
        if not field:
            raise unknown(f"setting of {base}", setting, types)
        if field in changes:
            raise InputError(f"name {text!r} gives the setting {field} twice")
        changes[field] = _setting_value(field, setting.removeprefix(field), types[field])
    return replace(trunk, **changes) if changes else trunk


def _public() -> dict[str, str]:
    return {long: public for public, long in trunks.aliases().items()}


def _number(value: float) -> str:
    # Never an exponent: the "-" of 1e-05 would read as the next setting.
    return str(int(value)) if value == int(value) else format(Decimal(repr(value)), "f")


def se_name(se: SE) -> str:
    """Write one SE setting as tokens: ``r16_max_nobias``."""
    tokens = [token for token, (field, value) in se_tokens().items() if getattr(se, field) == value]
    return "_".join([f"r{_number(se.reduction)}", *tokens])


def _parse_se(tokens: list[str], text: str) -> SE:
    ratio = tokens[0]
    if not re.fullmatch(r"r[0-9]+(\.[0-9]+)?", ratio):
        raise InputError(f"name {text!r}: expected a ratio like r16 before {ratio!r}")
    settings: dict[str, Any] = {}
    known = se_tokens()
    for token in tokens[1:]:
        if token not in known:
            raise unknown(f"token in the name {text!r}:", token, known)
        field, value = known[token]
        if field in settings:
            raise InputError(f"name {text!r} gives the {field} twice")
        settings[field] = value
    return SE(reduction=float(ratio[1:]), **settings)


def _stage_groups(tokens: list[str], text: str) -> list[tuple[list[int], list[str]]]:
    groups: list[tuple[list[int], list[str]]] = []
    for token in tokens:
        if re.fullmatch("s[0-9]+", token):
            groups.append(([int(digit) for digit in token[1:]], []))
        else:
            groups[-1][1].append(token)
    for numbers, setting in groups:
        if not setting:
            stages = "".join(map(str, numbers))
            raise InputError(f"name {text!r}: s{stages} needs a ratio, as in s{stages}_r16")
    return groups


def _setting_name(field: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"{field}.{'on' if value else 'off'}"
    if isinstance(value, tuple):
        return field + ".".join(str(item) for item in value)
    return f"{field}.{value}" if isinstance(value, str) else field + _number(value)


def _setting_value(field: str, text: str, like: Any) -> Any:
    try:
        if isinstance(like, bool):
            return {".on": True, ".off": False}[text]
        if isinstance(like, tuple):
            return tuple(int(_digits(item)) for item in text.split("."))
        if isinstance(like, str):
            if not text.startswith("."):
                raise ValueError(text)
            return text[1:]
        if isinstance(like, float):
            return float(_digits(text, r"[0-9]+(\.[0-9]+)?"))
        return int(_digits(text))
    except (ValueError, KeyError):
        example = _setting_name(field, like)
        raise InputError(
            f"setting {field + text!r} cannot be read; write it as {example}"
        ) from None


def _digits(text: str, pattern: str = "[0-9]+") -> str:
    """Return a number as names have it; Python also reads ``1_0``, ``+8`` and others' digits.

    Raises:
        ValueError: it is written otherwise.
    """
    if not re.fullmatch(pattern, text):
        raise ValueError(text)
    return text
