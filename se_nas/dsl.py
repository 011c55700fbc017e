"""The marks that turn a value into a template: ``choice``, ``optional``, ``per_stage``.

    SE(reduction=choice(4, 8, 16), gate=choice("sigmoid", "tanh"))

``se_nas.space.space`` turns templates into search spaces. For a type checker ``choice(4, 8)`` is an
``int`` (as a dataclass ``field()`` is): a template is written like the value that it stands for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar, cast

from se_nas.errors import InputError
from se_nas.texts import written
from se_nas.values import among, as_python, sequence, whole

T = TypeVar("T")


@dataclass(frozen=True)
class Choice:
    """One of ``options``, each a plain value or a template itself."""

    options: tuple[Any, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", as_python(self.options))


@dataclass(frozen=True)
class PerStage:
    """An independent draw for every stage; stages in one ``tie`` group share theirs."""

    default: Any
    stages: tuple[tuple[int, Any], ...] = ()
    tie: tuple[tuple[int, ...], ...] = ()


def choice(*options: T) -> T:
    """Offer ``options``, each a plain value or a template, of which one is drawn.

    >>> choice(4, 8)
    Choice(options=(4, 8))

    Raises:
        InputError: no option is given, or one is given twice, or an array of options.
    """
    if not options:
        raise InputError("choice() needs at least one option; got none")
    chosen = Choice(options)
    for i, option in enumerate(chosen.options):
        if hasattr(option, "shape"):
            shape = "×".join(map(str, option.shape))
            raise InputError(
                f"choice() has an array of {shape} for an option; write choice(*array)"
            )
        if any(type(option) is type(o) and among(option, [o]) for o in chosen.options[:i]):
            raise InputError(
                f"choice() has the option {written(option)} twice; every option must differ"
            )
    return cast(T, chosen)


def optional(value: T) -> T | None:
    """Offer ``value`` or None: ``optional(SE(...))`` lets the search leave SE out."""
    return choice(None, value)


def per_stage(
    default: T, stages: Mapping[int, T | None] | None = None, tie: Iterable[Iterable[int]] = ()
) -> T:
    """Draw ``default`` once for each stage of the trunk.

    Args:
        default: the template (or value) of a stage that ``stages`` does not name.
        stages: other templates for single stages, by stage number; None is no SE there.
        tie: groups of stage numbers that share one draw, e.g. ``tie=[(2, 3), (4, 5)]``.

    Raises:
        InputError: a stage is in two groups, or in both ``stages`` and ``tie``.

    >>> per_stage(None, {4: 1}).stages
    ((4, 1),)
    """
    given = {} if stages is None else stages
    if not isinstance(given, Mapping):
        raise InputError(f"per_stage(stages={written(stages)}): give templates by stage number")
    groups = tuple(
        tuple(sorted(whole("stage in tie", n, 0, 9) for n in sequence("group in tie", group)))
        for group in sequence("tie", tie)
    )
    named = [number for group in groups for number in group]
    if () in groups:
        raise InputError(f"per_stage(tie={groups}) has an empty group; give stage numbers")
    if len(named) != len(set(named)):
        raise InputError(f"per_stage(tie={groups}) names a stage twice; each stage has one group")
    overrides = tuple(sorted((whole("stage", n, 0, 9), value) for n, value in given.items()))
    for number, _ in overrides:
        if number in named:
            raise InputError(f"per_stage: stage {number} is in both stages= and tie=; choose one")
    return cast(T, PerStage(default, overrides, groups))


def options(value: Any) -> tuple[Any, ...]:
    """List the plain values that a field can take: those of a ``Choice``, nested too, or itself."""
    if isinstance(value, Choice):
        return tuple(plain for option in value.options for plain in options(option))
    return (value,)


def is_template(value: Any) -> bool:
    """Return whether a ``Choice`` or ``PerStage`` is anywhere inside."""
    if isinstance(value, (Choice, PerStage)):
        return True
    if isinstance(value, tuple):
        return any(is_template(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return any(is_template(getattr(value, field.name)) for field in fields(value))
    return False
