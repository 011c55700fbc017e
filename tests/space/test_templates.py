"""Templates made concrete: labels and paths of choices, enumeration, matching, JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from se_nas import SE, InputError, choice, optional, per_stage, trunk
from se_nas.dsl import Choice
from se_nas.space.template_json import from_data, to_data
from se_nas.space.templates import (
    Label,
    drawing,
    drawing_se,
    every,
    labels,
    match,
    match_se,
    size,
    size_se,
)

STAGES = (2, 3, 4)


def asked(template: Any) -> list[dict[str, Label]]:
    """The decisions of every way to draw an SE template for three stages."""
    found: list[dict[str, Label]] = []

    def once(ask: Any) -> None:
        decisions: dict[str, Label] = {}

        def remember(path: str, options: tuple[Label, ...]) -> Label:
            assert path not in decisions, "a parameter is asked for once"
            assert len(set(options)) == len(options)
            decisions[path] = ask(path, options)
            return decisions[path]

        drawing_se(template, STAGES, "se")(remember)
        found.append(decisions)

    list(every(once))
    return found


TEMPLATES: dict[str, Any] = {
    "nothing": None,
    "value": SE(8),
    "ratio": SE(reduction=choice(2, 4)),
    "optional": optional(SE(reduction=choice(2, 4), bias=choice(True, False))),
    "nested ratio": SE(reduction=choice(2, choice(4, choice(8, 16)))),
    "one nested choice": SE(reduction=choice(choice(4, 8), 16)),
    "optional choice": optional(choice(SE(2), SE(reduction=choice(4, 8)))),
    "two open": choice(SE(reduction=choice(2, 4)), SE(gate=choice("relu", "tanh"))),
    "two open alike": choice(
        SE(reduction=choice(2, 4)), SE(reduction=choice(8, 16), gate="tanh"), None
    ),
    "texts": SE(squeeze=choice("none", "avg")),
    "per stage": per_stage(optional(SE(reduction=choice(2, 4)))),
    "override": per_stage(SE(reduction=choice(2, 4)), {3: None, 4: choice(None, SE())}),
    "tie": per_stage(optional(SE(reduction=choice(2, 4))), tie=[(2, 4)]),
    "tie of all": per_stage(choice(None, SE(2), SE(4)), tie=[(2, 3, 4)]),
    "tie beyond": per_stage(choice(None, SE(2)), tie=[(4, 5)]),
    "per stage or not": choice(None, per_stage(choice(SE(2), SE(4)))),
    "two per stage": choice(
        per_stage(SE(reduction=choice(2, 4)), {2: None}), per_stage(None, {2: choice(SE(), SE(8))})
    ),
    "two per stage alike": choice(
        per_stage(choice(SE(2), SE(4)), {2: None}), per_stage(choice(SE(8), SE(16)), {2: None})
    ),
    "nested per stage": choice(None, choice(per_stage(choice(SE(2), SE(4))), SE(8))),
    "same for all or per stage": choice(
        SE(reduction=choice(2, 4)), per_stage(SE(reduction=choice(8, 16)))
    ),
}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_size_enumeration_and_decisions_agree(template: Any) -> None:
    drawn = list(every(drawing_se(template, STAGES, "se")))
    decisions = asked(template)
    assert len(drawn) == len(decisions) == size_se(template, STAGES)
    assert len({tuple(sorted(d.items())) for d in decisions}) == len(decisions)
    assert len(set(drawn)) == len(drawn), "these templates give nothing twice"
    for value, made in zip(drawn, decisions, strict=True):
        assert all(se is None or isinstance(se, SE) for se in value)
        assert match_se(template, value, STAGES, "se") == made


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_a_parameter_always_has_the_same_options(template: Any) -> None:
    # Optuna refuses a categorical parameter whose options change from trial to trial.
    options_of: dict[str, tuple[Label, ...]] = {}

    def once(ask: Any) -> None:
        def check(path: str, options: tuple[Label, ...]) -> Label:
            assert options_of.setdefault(path, options) == options
            chosen: Label = ask(path, options)
            return chosen

        drawing_se(template, STAGES, "se")(check)

    list(every(once))


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_what_is_not_drawn_does_not_match(template: Any) -> None:
    stranger = SE(3, "pre", "max")
    assert match_se(template, (stranger,) * 3, STAGES, "se") is None
    assert match_se(template, (None, None, stranger), STAGES, "se") is None


def test_tied_stages_must_be_equal() -> None:
    template: Any = TEMPLATES["tie"]
    assert match_se(template, (SE(2), None, SE(2)), STAGES, "se") == {
        "stage2_4.se": "se",
        "stage2_4.se.reduction": 2,
        "stage3.se": "none",
    }
    assert match_se(template, (SE(2), None, SE(4)), STAGES, "se") is None
    assert match_se(template, (SE(2), None, None), STAGES, "se") is None


def test_one_se_for_all_stages_matches_equal_stages_only() -> None:
    template: Any = SE(reduction=choice(2, 4))
    assert match_se(template, (SE(2),) * 3, STAGES, "se") == {"se.reduction": 2}
    assert match_se(template, (SE(2), SE(2), SE(4)), STAGES, "se") is None


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (choice(2, 4.5), (2, 4.5)),
        (choice(None, SE(reduction=choice(2, 4))), ("none", "se")),
        (choice(None, SE(2), SE(2, squeeze="max")), ("none", "r2", "r2_max")),
        (choice("none", None), ("none#0", "none#1")),
        (choice(True, 1), ("True#0", "1#1")),
        (choice((1, 2), (3, 4)), ("1.2", "3.4")),
        (
            choice(trunk("resnet18"), trunk("resnet18", width=16)),
            ("resnet18", "resnet18-width16"),
        ),
        (
            choice(SE(reduction=choice(2, 4)), SE(gate=choice("relu", "tanh"))),
            ("reduction", "gate"),
        ),
        (
            choice(per_stage(SE(), {2: None}), per_stage(None, {2: SE()})),
            ("all_but_stage2", "stage2"),
        ),
    ],
)
def test_labels(template: Any, expected: tuple[Label, ...]) -> None:
    assert labels(template) == expected


def test_paths_of_a_trunk() -> None:
    template = trunk("resnet18", width=choice(8, 16), depths=(1, choice(1, 2)))
    paths: list[str] = []

    def first(path: str, options: tuple[Label, ...]) -> Label:
        paths.append(path)
        return options[-1]

    drawn = drawing(template, "trunk")(first)
    assert drawn == trunk("resnet18", width=16, depths=(1, 2))
    assert sorted(paths) == ["trunk.depths.1", "trunk.width"]
    assert size(template) == 4
    assert match(template, drawn, "trunk") == {"trunk.width": 16, "trunk.depths.1": 2}
    assert match(template, trunk("resnet18", width=16, depths=(1, 3)), "trunk") is None
    assert match(template, trunk("resnet18", width=16, depths=(1, 2, 2)), "trunk") is None
    assert match(template, trunk("mobilenet_v1"), "trunk") is None


@pytest.mark.parametrize(
    "template",
    [
        *TEMPLATES.values(),
        trunk("resnet18", width=choice(8, 16), depths=(1, choice(1, 2))),
        choice(trunk("mobilenet_v2"), trunk("shufflenet_v2_x1_0", scale=choice(0.5, 1.0))),
        (1, (2.5, None), "x", True),
    ],
)
def test_data_round_trip(template: Any) -> None:
    assert from_data(json.loads(json.dumps(to_data(template)))) == template


def test_data_that_is_no_template() -> None:
    with pytest.raises(InputError, match="not a template"):
        from_data({"choise": [1, 2]})
    assert from_data({"choice": [1, 2]}) == Choice((1, 2))


def test_every_makes_each_choice_in_order() -> None:
    def once(ask: Any) -> tuple[Label, ...]:
        first = ask("a", (1, 2))
        return (first, ask("b", ("x", "y", "z"))) if first == 1 else (first,)

    assert list(every(once)) == [(1, "x"), (1, "y"), (1, "z"), (2,)]
    assert list(every(lambda ask: "fixed")) == ["fixed"]
