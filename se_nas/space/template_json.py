"""Templates (``se_nas.dsl``) as JSON values, and back."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from se_nas import trunks
from se_nas.dsl import Choice, PerStage, choice, per_stage
from se_nas.errors import InputError
from se_nas.se import SE


def to_data(template: Any) -> Any:
    """Write a template as JSON values; ``from_data`` reads them back."""
    if isinstance(template, Choice):
        return {"choice": [to_data(option) for option in template.options]}
    if isinstance(template, PerStage):
        return {
            "per_stage": to_data(template.default),
            "stages": {str(number): to_data(value) for number, value in template.stages},
            "tie": [list(group) for group in template.tie],
        }
    if isinstance(template, SE):
        return {"se": {f.name: to_data(getattr(template, f.name)) for f in fields(template)}}
    if isinstance(template, tuple):
        return [to_data(item) for item in template]
    if template is None or isinstance(template, (str, int, float, bool)):
        return template
    return {"trunk": {key: to_data(value) for key, value in trunks.trunk_to_dict(template).items()}}


def from_data(data: Any) -> Any:
    """Read the template that ``to_data`` wrote.

    Raises:
        InputError: ``data`` has an object that is no template.
    """
    if isinstance(data, list):
        return tuple(from_data(item) for item in data)
    if not isinstance(data, dict):
        return data
    if "choice" in data:
        return choice(*(from_data(option) for option in data["choice"]))
    if "per_stage" in data:
        stages = {int(n): from_data(value) for n, value in data["stages"].items()}
        return per_stage(from_data(data["per_stage"]), stages, data["tie"])
    if "se" in data:
        return SE(**{key: from_data(value) for key, value in data["se"].items()})
    if "trunk" in data:
        return trunks.trunk_from_dict({key: from_data(v) for key, v in data["trunk"].items()})
    raise InputError(f"not a template's JSON: {str(data)[:80]}")
