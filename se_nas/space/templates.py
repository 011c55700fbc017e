"""Templates made concrete: drawing, counting, listing, matching.

A template is a value with ``Choice`` and ``PerStage`` inside (``se_nas.dsl``). ``drawing`` makes a
function of it that asks a callback at every choice; an Optuna trial, a random generator and an
enumeration are three such callbacks. Every choice has a dotted path, which is its Optuna parameter:
``trunk.width``, ``stage2.se``, ``stage2.se.reduction``; a choice is only met, hence only a
parameter, where the choices above it lead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, TypeAlias

from se_nas.architecture import names
from se_nas.dsl import Choice, PerStage, is_template
from se_nas.se import SE
from se_nas.trunks import Trunk

Label: TypeAlias = str | int | float | bool
Ask: TypeAlias = Callable[[str, tuple[Label, ...]], Label]
Decisions: TypeAlias = dict[str, Label]
Drawing: TypeAlias = Callable[[Ask], Any]
KEPT = 4096  # values of one template that are kept


def labels(choice: Choice) -> tuple[Label, ...]:
    """Label every option: numbers as they are, ``none`` for None, names for the rest."""
    found = [_label(option) for option in choice.options]
    if len(set(found)) < len(found):
        found = [_detail(option) for option in choice.options]
    return tuple(
        f"{label}#{i}" if found.count(label) > 1 else label for i, label in enumerate(found)
    )


def drawing(template: Any, path: str) -> Drawing:
    """Return a function of ``ask`` that makes every choice of the template.

    What does not depend on the answers, as labels and paths, is found once: a search draws
    thousands of times. ``drawing_se`` does ``PerStage``.
    """
    if isinstance(template, Choice):
        return _choosing(template, path, drawing)
    if not is_template(template):
        return lambda ask: template
    if isinstance(template, tuple):
        items = [drawing(item, f"{path}.{i}") for i, item in enumerate(template)]
        return lambda ask: tuple(item(ask) for item in items)
    parts = {
        field.name: drawing(getattr(template, field.name), f"{path}.{field.name}")
        for field in _open(template)
    }

    # Few values are drawn again and again, and each is checked when it is made.
    @lru_cache(maxsize=KEPT, typed=True)
    def made(*drawn: Any) -> Any:
        return replace(template, **dict(zip(parts, drawn, strict=True)))

    return lambda ask: made(*[part(ask) for part in parts.values()])


def drawing_se(template: Any, stages: tuple[int, ...], path: str) -> Drawing:
    """Return a function of ``ask`` that draws one ``SE | None`` for each stage."""
    if isinstance(template, Choice) and has_per_stage(template):
        return _choosing(template, path, lambda option, below: drawing_se(option, stages, below))
    if not isinstance(template, PerStage):
        alike = drawing(template, path)
        return lambda ask: (alike(ask),) * len(stages)
    places = [place for place, _ in _places(template, stages)]
    parts: dict[str, Drawing] = {}
    for place, stage_template in _places(template, stages):  # a group has its first stage's
        parts.setdefault(place, drawing(stage_template, _join(path, place)))

    def draw(ask: Ask) -> tuple[SE | None, ...]:
        drawn = {place: part(ask) for place, part in parts.items()}
        return tuple(drawn[place] for place in places)

    return draw


def match(template: Any, value: Any, path: str) -> Decisions | None:
    """Return the decisions by which ``drawing`` gives ``value``, or None if it cannot."""
    if isinstance(template, Choice):
        for label, option in zip(labels(template), template.options, strict=True):
            found = match(option, value, _below(template, path, label))
            if found is not None:
                return {path: label} | found
        return None
    if not is_template(template):
        return {} if template == value else None
    if isinstance(template, tuple):
        if not isinstance(value, tuple) or len(value) != len(template):
            return None
        pairs = [
            (t, v, f"{path}.{i}") for i, (t, v) in enumerate(zip(template, value, strict=True))
        ]
    else:
        if type(template) is not type(value):
            return None
        pairs = [
            (getattr(template, f.name), getattr(value, f.name), f"{path}.{f.name}")
            for f in fields(template)
        ]
    return _match_all(pairs)


def match_se(
    template: Any, value: tuple[SE | None, ...], stages: tuple[int, ...], path: str
) -> Decisions | None:
    """Return the decisions by which ``drawing_se`` gives ``value``, or None if it cannot."""
    if isinstance(template, Choice) and has_per_stage(template):
        for label, option in zip(labels(template), template.options, strict=True):
            found = match_se(option, value, stages, _below(template, path, label))
            if found is not None:
                return {path: label} | found
        return None
    if not isinstance(template, PerStage):
        return match(template, value[0], path) if len(set(value)) == 1 else None
    places = _places(template, stages)
    return _match_all(
        [(t, v, _join(path, place)) for (place, t), v in zip(places, value, strict=True)]
    )


def size(template: Any) -> int:
    """Count the ways to draw the template."""
    if isinstance(template, Choice):
        return sum(size(option) for option in template.options)
    if not is_template(template):
        return 1
    if isinstance(template, tuple):
        return math.prod(size(item) for item in template)
    return math.prod(size(getattr(template, f.name)) for f in fields(template))


def size_se(template: Any, stages: tuple[int, ...]) -> int:
    """Count the ways to give every stage its SE."""
    if isinstance(template, Choice):
        return sum(size_se(option, stages) for option in template.options)
    if not isinstance(template, PerStage):
        return size(template)
    return math.prod(size(t) for t in dict(_places(template, stages)).values())


def every(draw_once: Callable[[Ask], Any]) -> Iterator[Any]:
    """Yield all results of a drawing function, by making its choices in every way."""
    path: list[tuple[int, int]] = []  # (index chosen, number of options) of each choice met
    while True:
        met = 0

        def ask(_: str, options: tuple[Label, ...]) -> Label:
            nonlocal met
            if met == len(path):
                path.append((0, len(options)))
            met += 1
            return options[path[met - 1][0]]

        yield draw_once(ask)
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        if not path:
            return
        index, count = path.pop()
        path.append((index + 1, count))


def has_per_stage(template: Any) -> bool:
    """Return whether the template is a ``PerStage`` or a choice, nested or not, with one."""
    if isinstance(template, Choice):
        return any(has_per_stage(option) for option in template.options)
    return isinstance(template, PerStage)


def _choosing(choice: Choice, path: str, inner: Callable[[Any, str], Drawing]) -> Drawing:
    """Return a function of ``ask`` that chooses an option and draws it with ``inner``."""
    options = labels(choice)
    pairs = zip(options, choice.options, strict=True)
    branches = [inner(option, _below(choice, path, label)) for label, option in pairs]
    return lambda ask: branches[options.index(ask(path, options))](ask)


def _below(choice: Choice, path: str, label: Label) -> str:
    # One open option needs no name of its own: stage2.se.reduction, not stage2.se.se.reduction.
    # A choice straight inside a choice does: its parameter must not be the outer one's.
    opened = [option for option in choice.options if is_template(option)]
    alone = len(opened) == 1 and not isinstance(opened[0], Choice)
    return path if alone else f"{path}.{label}"


def _label(option: Any) -> Label:
    if option is None:
        return "none"
    if isinstance(option, (bool, int, float, str)):
        return option
    if isinstance(option, tuple):
        return ".".join(str(item) for item in option) if not is_template(option) else "tuple"
    if isinstance(option, SE):
        return "se" if is_template(option) else names.se_name(option)
    if isinstance(option, PerStage):
        return "stages"
    if isinstance(option, Choice):
        return "choice"
    return str(option.family) if is_template(option) else names.trunk_name(option)


def _detail(option: Any) -> Label:
    """Label options that would share a label by their open fields or differing stages."""
    if isinstance(option, SE) and is_template(option):
        return "+".join(field.name for field in _open(option))
    if isinstance(option, PerStage):
        stages = "_".join(str(number) for number, _ in option.stages)
        out = option.default is not None and all(value is None for _, value in option.stages)
        return f"all_but_stage{stages}" if out else f"stage{stages}"
    return _label(option)


def _open(template: Any) -> list[Any]:
    return [field for field in fields(template) if is_template(getattr(template, field.name))]


def _join(path: str, place: str) -> str:
    """Join to ``stage2.se``, or to ``se.label.stage2`` below a labelled choice."""
    return f"{place}.se" if path == "se" else f"{path}.{place}"


def _places(template: PerStage, stages: tuple[int, ...]) -> list[tuple[str, Any]]:
    """Return for each stage the name of its place (one for a tied group) and its template."""
    overrides = dict(template.stages)
    tied = {n: "stage" + "_".join(map(str, group)) for group in template.tie for n in group}
    return [(tied.get(n, f"stage{n}"), overrides.get(n, template.default)) for n in stages]


def _match_all(pairs: list[tuple[Any, Any, str]]) -> Decisions | None:
    found: Decisions = {}
    for template, value, path in pairs:
        part = match(template, value, path)
        if part is None or any(found.get(key, label) != label for key, label in part.items()):
            return None
        found |= part
    return found


def trunk_values(template: Any) -> Iterator[Trunk]:
    """Yield every concrete trunk of a trunk template."""
    return every(drawing(template, "trunk"))
