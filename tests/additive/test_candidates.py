"""Mutants stay in the space, and a climb finds the best that is admitted."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from se_nas import SE, Architecture, Space, choice, load_space, optional, per_stage, trunk
from se_nas.additive.candidates import Ask, Candidate, at_random, climbed, mutant, repeated

SPACE = Space(
    "small",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(choice(2, 4, 8), gate=choice("sigmoid", "tanh")))),
)


@pytest.mark.parametrize("name", ["digits_se", "mobile_se", "paper_ablations"])
def test_mutants_are_of_the_space_and_differ_by_what_was_changed(name: str) -> None:
    space, rng = load_space(name), random.Random(0)
    for _ in range(40):
        parent = at_random(space.draw, rng)
        child = mutant(space.draw, parent, rng, changes=1)
        assert space.decisions(child.value) is not None
        assert child.key != parent.key
        changed = {
            path
            for path in parent.decisions.keys() & child.decisions.keys()
            if parent.decisions[path] != child.decisions[path]
        }
        assert len(changed) == 1
        [path] = changed
        new = child.decisions.keys() ^ parent.decisions.keys()
        assert all(other.startswith(path.rpartition(".")[0]) or "." in path for other in new)


def test_a_candidate_is_repeated_from_its_decisions() -> None:
    rng = random.Random(1)
    for _ in range(20):
        found = at_random(SPACE.draw, rng)
        again = repeated(SPACE.draw, found.decisions)
        assert (again.value, again.key) == (found.value, found.key)


def test_labels_of_other_types_are_other_keys() -> None:
    keys = {Candidate({"a": label}, {}, None).key for label in (1, 1.0, True, "1")}
    assert len(keys) == 4


def worth(architecture: Architecture) -> float:
    """Best with SE in the last two stages at r = 4 and a tanh, and a width of 16."""
    wanted = Architecture(
        SPACE.sample(0).trunk.__class__(**{**vars(SPACE.sample(0).trunk), "width": 16}),
        (None, SE(4, gate="tanh"), SE(4, gate="tanh")),
    )
    same = [architecture.trunk == wanted.trunk]
    for have, want in zip(architecture.se, wanted.se, strict=True):
        same += [have == want, (have is None) == (want is None)]
    return float(sum(same))


def test_a_climb_finds_the_best_that_is_admitted() -> None:
    rng = random.Random(2)
    asked: list[Candidate[Any]] = []

    def score(candidates: Sequence[Candidate[Architecture]]) -> list[float]:
        return [worth(each.value) for each in candidates]

    def admits(candidate: Candidate[Architecture]) -> bool:
        asked.append(candidate)
        return candidate.value.se[0] is not None

    parents = [at_random(SPACE.draw, rng) for _ in range(40)]
    parents = [each for each in parents if each.value.se[0] is not None][:5]
    ranked = climbed(SPACE.draw, parents, score, admits, rng)
    best = next(ranked)
    assert worth(best.value) == 5  # all but the first stage's two
    assert best.value.se[0] is not None
    assert worth(next(ranked).value) <= 5
    assert len(asked) < 150, "a cost is asked of the best alone"


def test_a_space_of_one_point_has_itself_as_mutant() -> None:
    def draw(ask: Ask) -> Any:
        return ask("a", (1,))

    parent = at_random(draw, random.Random(0))
    assert mutant(draw, parent, random.Random(0)).key == parent.key
