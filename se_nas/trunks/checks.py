"""Checks of settings that several families have; each takes plain values and templates alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from se_nas import dsl
from se_nas.errors import InputError, unknown
from se_nas.texts import written
from se_nas.values import as_python, is_number

if TYPE_CHECKING:
    from se_nas.trunks.base import Trunk

# Larger ones are typing errors: no network is so wide, none so deep.
MOST, MOST_DEPTH = 10**6, 1000
STEMS = ("imagenet", "small")


def plain_options(trunk: Trunk, field: str) -> tuple[Any, ...]:
    """Make a setting's numbers Python's own, and return the values that it can take.

    NumPy's would be written into names, ids and JSON as something else.
    """
    value = as_python(getattr(trunk, field))
    object.__setattr__(trunk, field, value)
    return dsl.options(value)


def check_choice(trunk: Trunk, field: str, allowed: tuple[object, ...]) -> None:
    """Raise an ``InputError`` unless every option of ``field`` is one of ``allowed``."""
    kinds = {type(value) for value in allowed}
    for value in plain_options(trunk, field):
        # By the type first: an array of one entry equals it, and True equals 1.
        if type(value) not in kinds or value not in allowed:
            raise unknown(f"{field} of a {trunk.family}", value, allowed)


def check_multiplier(trunk: Trunk, field: str) -> None:
    """Raise an ``InputError`` unless every option of ``field`` is a number from 0.1 to 8."""
    for value in plain_options(trunk, field):
        if not is_number(value) or not 0.1 <= value <= 8:
            raise InputError(
                f"{field}={written(value)} of a {trunk.family}: give a factor from 0.1 to 8"
            )


def check_whole(trunk: Trunk, field: str, least: int = 1) -> None:
    """Raise an ``InputError`` unless every option of ``field`` is a whole number ≥ ``least``."""
    for value in plain_options(trunk, field):
        if type(value) is not int or not least <= value <= MOST:
            raise InputError(
                f"{field}={written(value)} of a {trunk.family}: "
                f"give a whole number of at least {least} and at most {MOST}"
            )


def check_per_stage(
    trunk: Trunk, field: str, stages: int, fits: Callable[[int], bool], what: str
) -> None:
    """Raise an ``InputError`` unless ``field`` has one whole number that fits for each stage.

    Args:
        stages: how many stages the trunk has.
        fits: whether a number is allowed.
        what: the allowed numbers in words, for the message.
    """
    for numbers in plain_options(trunk, field):
        if not isinstance(numbers, tuple) or len(numbers) != stages:
            raise InputError(
                f"{field}={written(numbers)} of a {trunk.family}: give a tuple of {stages} "
                "numbers, one for each stage"
            )
        for item in numbers:
            for number in dsl.options(item):
                if type(number) is not int or not fits(number):
                    raise InputError(
                        f"{field}={written(numbers)} of a {trunk.family}: "
                        f"{written(number)} is not {what}"
                    )


def check_depths(trunk: Trunk, stages: int) -> None:
    """Raise an ``InputError`` unless every stage has at least one block."""
    what = f"a depth of at least 1 and at most {MOST_DEPTH}"
    check_per_stage(trunk, "depths", stages, lambda depth: 1 <= depth <= MOST_DEPTH, what)


def check_kernels(trunk: Trunk, stages: int) -> None:
    """Raise an ``InputError`` unless every stage has an odd kernel."""
    allowed = (1, 3, 5, 7, 9)
    check_per_stage(trunk, "kernels", stages, lambda side: side in allowed, f"one of {allowed}")


def of_stage(values: tuple[int, ...], trunk: Trunk, number: int) -> int:
    """Return the entry of stage ``number`` in a setting that has one for each stage."""
    return values[trunk.stages.index(number)]


def by_module(prefixes: dict[str, str]) -> Callable[[str], str]:
    """Return a ``Layout.rename`` from their module names to ours; other keys stay as they are.

    >>> by_module({"features.0.0": "conv_stem"})("features.0.0.weight")
    'conv_stem.weight'
    """

    def rename(key: str) -> str:
        module, _, parameter = key.rpartition(".")
        return f"{prefixes.get(module, module)}.{parameter}"

    return rename
