"""``choice``, ``optional``, ``per_stage``: what they hold and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from se_nas import SE, InputError, choice, optional, per_stage
from se_nas.dsl import Choice, PerStage, is_template, options


def test_choice_keeps_the_options_in_order() -> None:
    ordered: Any = choice(4, 2)
    assert ordered == Choice((4, 2))
    mixed: Any = choice(True, 1)
    assert mixed == Choice((True, 1)), "1 and True are two values"


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ((), "at least one option"),
        ((4, 8, 4), "option 4 twice"),
        ((None, None), "option None twice"),
        ((SE(4), SE(4.0)), "twice"),
    ],
)
def test_choice_refuses(given: tuple[Any, ...], match: str) -> None:
    with pytest.raises(InputError, match=match) as error:
        choice(*given)
    assert "\n" not in str(error.value)


def test_optional_is_a_choice_of_nothing() -> None:
    assert optional(SE()) == choice(None, SE())
    with pytest.raises(InputError, match="twice"):
        optional(None)


def test_per_stage_sorts_stages_and_groups() -> None:
    template = per_stage(SE(), {5: None, 3: SE(4)}, tie=[(4, 2)])
    assert template == PerStage(SE(), ((3, SE(4)), (5, None)), ((2, 4),))  # type: ignore[comparison-overlap]


def test_per_stage_refuses_a_stage_in_two_groups() -> None:
    for tie in ([(2, 3), (3, 4)], [(2, 2)]):
        with pytest.raises(InputError, match="names a stage twice") as error:
            per_stage(SE(), tie=tie)
        assert "\n" not in str(error.value)


def test_per_stage_refuses_a_stage_that_is_tied_and_named() -> None:
    with pytest.raises(InputError, match="stage 3 is in both"):
        per_stage(SE(), {3: None}, tie=[(2, 3)])


def test_options_are_plain_values_of_nested_choices() -> None:
    assert options(choice(2, choice(4, choice(8, 16)))) == (2, 4, 8, 16)
    assert options((1, 2)) == ((1, 2),)
    assert options(None) == (None,)


def test_is_template_looks_inside() -> None:
    for template in (
        choice(1, 2),
        per_stage(None),
        (1, (2, choice(3, 4))),
        SE(reduction=choice(2, 4)),
        (SE(gate=choice("tanh", "relu")),),
    ):
        assert is_template(template)
    for value in (None, 1, "x", (1, 2), SE(), SE):
        assert not is_template(value)
