"""Settings as fields of frozen dataclasses; a field holds all that is known of its setting.

>>> @dataclass(frozen=True)
... class Sampling:
...     trials: int = setting(20, "Architectures to train.", "space and sampling")
>>> with_options(Sampling(), {"trials": 30})
Sampling(trials=30)
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from functools import reduce
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from se_nas.errors import InputError, unknown
from se_nas.files import expand_home
from se_nas.texts import written
from se_nas.values import as_python

T = TypeVar("T")
KEY, GROUP = "se_nas.setting", "se_nas.group"
PANELS = ("space and sampling", "data", "training", "resources", "latency", "results")
OnResume = Literal["fixed", "may change", "apart"]
TORCHVISION = "torchvision:"
RUN_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}"
LONGEST_TEXT = 4000  # of a path: what Linux takes
WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple: "a list of texts",
}


@dataclass(frozen=True)
class Setting:
    """Metadata of a setting: its option, type, default, help and rules.

    Attributes:
        name: of its option, in a file and as a keyword; with ``_`` between words.
        path: of its field, through the dataclasses that hold it.
        kind: ``bool``, ``int``, ``float``, ``str``, or ``tuple`` for a list of texts.
        optional: whether it can be None.
        default: None also where another setting has the value, as a recipe has a batch size.
        help, panel: its text in ``--help``, and under which heading of ``PANELS``.
        on_resume: whether it may change when a run is taken up; ``apart`` if it says which run
            that is, or where, and is not compared.
        shared: whether all drivers of a study have the same.
        named: values by name, where it is a name.
        convert: turns the given value into the field's.
    """

    name: str
    help: str
    panel: str
    on_resume: OnResume
    shared: bool
    named: Mapping[str, Any] | None
    convert: Callable[[Any], Any] | None
    path: tuple[str, ...] = ()
    kind: type[Any] = str
    optional: bool = False
    default: Any = None

    def read(self, value: Any) -> Any:
        """Return a value that a user gives as the field has it; NumPy's numbers become Python's.

        Raises:
            InputError: it is of another type, or an unknown name.
        """
        if self.named is not None:
            return self._by_name(self.named, as_python(value))
        read = self.typed(value)
        return read if read is None or self.convert is None else self.convert(read)

    def typed(self, value: Any) -> Any:
        """Return a field's value in its type, not converted.

        Raises:
            InputError: it is of another type.
        """
        value = as_python(value)
        if value is None and self.optional:
            return None
        if self.named is not None:
            kind = type(next(iter(self.named.values())))
            if not isinstance(value, kind):
                raise InputError(f"{self.name} is {written(value)}; give a {kind.__name__}")
            return value
        read = READERS[self.kind](value)
        if read is None:
            raise InputError(f"{self.name} is {written(value)}; give {WORDS[self.kind]}")
        for text in read if self.kind is tuple else (read,):
            if isinstance(text, str) and (not 0 < len(text) <= LONGEST_TEXT or "\0" in text):
                raise InputError(
                    f"{self.name} is {text!r}; give a text of 1 to {LONGEST_TEXT} characters, "
                    "without NUL, or leave it out"
                )
        return read

    def _by_name(self, named: Mapping[str, Any], value: Any) -> Any:
        kind: Any = type(next(iter(named.values())))
        if isinstance(value, kind):
            return value
        if isinstance(value, Mapping):
            return kind.from_dict(value)
        if not isinstance(value, str) or value not in named:
            raise unknown(self.name, value, named)
        return named[value]


def setting(
    default: T,
    help: str,
    panel: str,
    on_resume: OnResume = "fixed",
    *,
    option: str = "",
    shared: bool | None = None,
    named: Mapping[str, Any] | None = None,
    convert: Callable[[Any], Any] | None = None,
) -> T:
    """Return a dataclass field that is a setting; the arguments are those of ``Setting``.

    Args:
        option: its name where that is not the field's.
        shared: if not given, a setting is shared where ``on_resume`` is ``fixed``.
    """
    assert panel in PANELS, panel
    shared = on_resume == "fixed" if shared is None else shared
    found = Setting(option, help, panel, on_resume, shared, named, convert)
    return field(default=default, metadata={KEY: found})


def group(default: T, prefix: str = "") -> T:
    """Return a dataclass field that holds settings of its own, their names behind ``prefix``."""
    return field(default=default, metadata={GROUP: prefix})


def settings_of(holder: type[Any]) -> dict[str, Setting]:
    """Return the settings of a dataclass and of the dataclasses in it, by name."""
    found: dict[str, Setting] = {}
    hints = get_type_hints(holder)
    for each in fields(holder):
        own: Setting | None = each.metadata.get(KEY)
        if own is not None:
            name, named = own.name or each.name, own.named is not None
            kind, optional = (str, False) if named else _kind(hints[each.name])
            default = _name(each.default, own) if named else each.default
            own = replace(own, name=name, path=(each.name,), default=default)
            found[name] = replace(own, kind=kind, optional=optional)
        if not is_dataclass(each.default):
            continue
        for name, inner in settings_of(type(each.default)).items():
            path = (each.name, *inner.path)
            assert len(path) == 2, f"{name}: with_options goes no deeper"
            name = each.metadata.get(GROUP, "") + name
            if own is not None:  # None: as the named value has it
                found[name] = replace(inner, name=name, path=path, optional=True, default=None)
            else:
                default = getattr(each.default, path[1])
                found[name] = replace(inner, name=name, path=path, default=default)
    return found


def check_options(kind: type[Any], values: Mapping[Any, Any]) -> None:
    """Refuse names that ``kind`` does not have, and values of another type than theirs.

    Raises:
        InputError: with the nearest name, or what the value is to be.
    """
    table = settings_of(kind)
    for name, value in values.items():
        if name not in table:
            raise unknown("setting", name, table)
        table[name].read(value)


def by_option(config: Any) -> dict[str, Any]:
    """Return the values of all settings by name, as ``with_options`` takes them."""
    found: dict[str, Any] = {}
    for name, own in settings_of(type(config)).items():
        value = reduce(getattr, own.path, config)
        found[name] = value if own.named is None else _name(value, own)
    return found


def with_options(config: T, values: Mapping[str, Any]) -> T:
    """Return a copy of a dataclass with some settings, given by name.

    Raises:
        InputError: an unknown name, a value of another type, or one that is not allowed.
    """
    check_options(type(config), values)
    table = settings_of(type(config))
    changes: dict[str, Any] = {}
    inside: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        own = table[name]
        read = own.read(value)
        if len(own.path) == 1:
            changes[own.path[0]] = read
        elif read is not None or not _inherits(own, table):
            inside.setdefault(own.path[0], {})[own.path[1]] = read
    for holder, inner in inside.items():
        changes[holder] = replace(changes.get(holder, getattr(config, holder)), **inner)
    return replace(config, **changes)  # type: ignore[type-var]


def absolute_path(path: str) -> str:
    """Return a path as it is to be written down: a worker has another working directory."""
    return os.path.abspath(expand_home(path))


def absolute_if_python(name: str) -> str:
    """Return the absolute path of a Python file, and any other name as it is."""
    return absolute_path(name) if name.endswith(".py") else name


def check_run_name(name: str | None) -> None:
    """Raise an ``InputError`` if a run cannot be called so."""
    if name is not None and not re.fullmatch(RUN_NAME, name):
        raise InputError(
            f"name is {name!r}; a run's name is no path: use letters, digits, . _ and -, "
            "200 at most, and give the folder with `out`"
        )


def absolute_unless_torchvision(weights: str) -> str:
    """Return the absolute path of weights, and ``torchvision:NAME`` as it is."""
    return weights if weights.startswith(TORCHVISION) else absolute_path(weights)


def _inherits(own: Setting, table: Mapping[str, Setting]) -> bool:
    """Return whether None stands for the value in the named holder of this setting."""
    holder = table.get(own.path[0])
    return holder is not None and holder.named is not None


def _name(value: Any, own: Setting) -> Any:
    """Return the name of a value, whatever its fields that are settings; else its other fields."""
    inner = {each.path[-1] for each in settings_of(type(value)).values()}

    def rest(value: Any) -> dict[str, Any]:
        return {name: each for name, each in asdict(value).items() if name not in inner}

    named = own.named or {}
    return next((name for name, each in named.items() if rest(each) == rest(value)), rest(value))


def _kind(hint: Any) -> tuple[type[Any], bool]:
    """Return a setting's type and whether it can be None: ``(int, True)`` for ``int | None``."""
    kinds = [each for each in get_args(hint) if each is not type(None)]
    optional = type(None) in get_args(hint)
    kind = kinds[0] if optional else hint
    kind = get_origin(kind) or kind
    assert kind in WORDS, f"no reader for {hint}"
    return kind, optional


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, Real) and not isinstance(value, bool) else None
    except OverflowError:
        return None


def _text(value: Any) -> str | None:
    path = isinstance(value, os.PathLike) and isinstance(os.fspath(value), str)
    return str(value) if path or isinstance(value, str) else None


def _texts(value: Any) -> tuple[str, ...] | None:
    listed = isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value)
    return tuple(map(str, value)) if listed else None


# Each returns the value in its type, or None if it is of another.
READERS: dict[type[Any], Callable[[Any], Any]] = {
    bool: lambda value: value if isinstance(value, bool) else None,
    int: _whole,
    float: _number,
    str: _text,
    tuple: _texts,
}
