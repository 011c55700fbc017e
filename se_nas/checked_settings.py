"""``CheckedSettings``: dataclasses of settings that say what is wrong with a field."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from se_nas.errors import unknown
from se_nas.settings import Setting, settings_of
from se_nas.values import as_python

T = TypeVar("T", bound="CheckedSettings")


class CheckedSettings:
    """A mixin of frozen dataclasses: fields that are settings have values of their type.

    Whole numbers have bounds too, and are checked where those are known.

    Raises:
        InputError: a name that is no field, or a value of another type than the setting's.
    """

    __dataclass_fields__: Any

    def __new__(cls: type[T], *_: Any, **given: Any) -> T:
        # Before the generated __init__, whose TypeError would not say which fields there are.
        for name in given:
            if name not in cls.__dataclass_fields__:
                raise unknown("setting", name, cls.__dataclass_fields__)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        kind: Any = type(self)
        for field in kind.__dataclass_fields__:
            object.__setattr__(self, field, as_python(getattr(self, field)))
        for field, own in _fields(kind).items():
            object.__setattr__(self, field, own.typed(getattr(self, field)))


@cache
def _fields(kind: Any) -> dict[str, Setting]:
    table = settings_of(kind).values()
    return {own.path[0]: own for own in table if len(own.path) == 1 and own.kind is not int}
