"""Conditions between parameters, as trials show them."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from se_nas.additive.candidates import Ask, at_random
from se_nas.additive.study_space import StudySpace


def draw(ask: Ask) -> dict[str, Any]:
    """Three levels of conditions, and a parameter that two values lead to."""
    found: dict[str, Any] = {"kind": ask("kind", ("a", "b", "c"))}
    if found["kind"] != "a":
        found["size"] = ask("size", (1, 2, 3))
    if found["kind"] == "b":
        found["se"] = ask("se", (False, True))
        if found["se"]:
            found["ratio"] = ask("ratio", (4, 8))
    found["last"] = ask("last", (0, 1))
    return found


def learnt(trials: int) -> StudySpace:
    space, rng = StudySpace(), random.Random(0)
    for _ in range(trials):
        candidate = at_random(draw, rng)
        space.add(candidate.decisions, candidate.options)
    return space


@given(st.integers(0, 10_000))
def test_what_is_drawn_is_what_a_trial_would_have(seed: int) -> None:
    rng = random.Random(seed)
    found = SPACE.draw(lambda _, options: rng.choice(options))
    assert found == draw(lambda name, _: found[name])


SPACE = learnt(60)


def test_parameters_of_every_trial_come_always() -> None:
    space = StudySpace()
    space.add({"a": 1}, {"a": (1, 2)})
    assert space.draw(lambda _, options: options[-1]) == {"a": 2}


def test_a_condition_that_nothing_shows_is_none() -> None:
    """Two trials with the same values before it, one with the parameter and one without."""
    space = StudySpace()
    space.add({"a": 1, "b": 2}, {"a": (1,), "b": (2,)})
    space.add({"a": 1}, {"a": (1,)})
    assert space.draw(lambda _, options: options[0]) == {"a": 1, "b": 2}
