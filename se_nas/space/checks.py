"""Checks of a ``Space``: its trunk and SE templates, alone and together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from se_nas import trunks
from se_nas.architecture import names
from se_nas.dsl import Choice, PerStage, choice
from se_nas.errors import InputError
from se_nas.se import SE
from se_nas.space import templates
from se_nas.texts import written
from se_nas.trunks.base import check_placement
from se_nas.values import among


def as_trunks(value: Any) -> Any:
    """Return the trunk template of a ``Space`` with trunks in place of their names.

    Raises:
        InputError: it is neither a trunk nor the name of one nor a ``choice`` of such.
    """
    if isinstance(value, Choice):
        return choice(*(as_trunks(option) for option in value.options))
    if isinstance(value, str):
        return names.parse_trunk(value)
    if not among(getattr(value, "family", None), trunks.families()) or isinstance(value, type):
        raise InputError(
            f'trunk is {written(value)}; give a name, trunk("resnet18", …) or a choice'
        )
    return value


def check_stages(name: str, trunk: Any, se: Any) -> None:
    """Check that every SE that may be drawn for a stage can stand there, in every trunk.

    Raises:
        InputError: with the space's ``name``: a placement is offered that a trunk lacks, or a stage
            is named that no trunk has.
    """
    stages: set[int] = set()
    seen: set[tuple[str, tuple[int, ...], tuple[str, ...]]] = set()
    for value in templates.trunk_values(trunk):
        kind = (value.family, value.stages, value.placements)
        if kind in seen:
            continue
        seen.add(kind)
        stages |= set(value.stages)
        for number in value.stages:
            for template in _se_templates(se, number):
                try:
                    check_placement(value, number, template)
                except InputError as error:
                    raise InputError(f"space {name!r}: {error}") from None
    for number in _named_stages(se):
        if number not in stages:
            raise InputError(
                f"space {name!r}: per_stage names stage {number}; "
                f"its trunks have stages {sorted(stages)}"
            )


def _se_templates(template: Any, number: int) -> Iterator[SE]:
    """Yield every SE template that may be drawn for a stage."""
    if isinstance(template, Choice):
        for option in template.options:
            yield from _se_templates(option, number)
    elif isinstance(template, PerStage):
        stage_template = dict(template.stages).get(number, template.default)
        if templates.has_per_stage(stage_template):
            raise InputError("se has a per_stage inside a per_stage; write one")
        yield from _se_templates(stage_template, number)
    elif isinstance(template, SE):
        yield template
    elif template is not None:
        raise InputError(
            f"se is {written(template)}; give SE(...), None, optional(...) or per_stage(...)"
        )


def _named_stages(template: Any) -> set[int]:
    if isinstance(template, Choice):
        return {n for option in template.options for n in _named_stages(option)}
    if isinstance(template, PerStage):
        return {n for n, _ in template.stages} | {n for group in template.tie for n in group}
    return set()
