"""Choices as changes of networks: which there are, and what each is worth and costs."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from se_nas import SE, Architecture, Space, choice, optional, per_stage, trunk
from se_nas.additive.candidates import at_random
from se_nas.additive.contrasts import Contrasts
from se_nas.additive.effects import Effect, changes_of, effects, worth
from se_nas.additive.features import of_architecture
from se_nas.cost.network_cost import cost

SPACE = Space(
    "s",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(4, 16), gate=choice("sigmoid", "tanh")))),
)


def networks(space: Space = SPACE, count: int = 60) -> list[Architecture]:
    rng = random.Random(0)
    return [at_random(space.draw, rng).value for _ in range(count)]


def test_each_choice_of_a_space_is_an_effect() -> None:
    found = Counter(change.choice for change in changes_of(networks()))
    settings = [f"{field}{where}" for field in ("reduction", "gate")
                for where in ("", " in stage 2", " in stage 3", " in stage 4")]  # fmt: skip
    presence = [f"SE in stage {number}" for number in (2, 3, 4)]
    assert found == Counter([*presence, *settings, "trunk"])


def test_a_change_changes_one_thing() -> None:
    for change in changes_of(networks()):
        for before, after in change.pairs:
            if change.choice == "trunk":
                assert before.se == after.se
                continue
            assert before.trunk == after.trunk
            for number, (old, new) in enumerate(zip(before.se, after.se, strict=True), 2):
                assert old == new or number in change.stages
                if change.against == "none":
                    assert number not in change.stages or (old is None and new is not None)


def test_stages_that_always_go_together_are_one_choice() -> None:
    space = Space("s", trunk="resnet8_small", se=optional(SE(4)))
    assert [c.choice for c in changes_of(networks(space))] == ["SE in stages 2, 3 and 4"]


def test_a_setting_that_all_stages_share_is_told_once() -> None:
    kinds = [per_stage(optional(SE(4, gate=gate))) for gate in ("sigmoid", "tanh")]
    space = Space("s", trunk="resnet8_small", se=choice(*kinds))
    gates = [c.choice for c in changes_of(networks(space)) if c.choice.startswith("gate")]
    assert gates == ["gate"]


def test_trunks_of_other_stages_are_compared_by_their_averages() -> None:
    space = Space("s", trunk=choice("mobilenet_v1", "shufflenet_v1_g3"), se=None)
    [change] = changes_of(networks(space))
    assert (change.option, change.against) == ("shufflenet_v1_g3", "mobilenet_v1")
    assert {str(before) for before, _ in change.pairs} == {"mobilenet_v1"}


def test_one_network_has_no_choice() -> None:
    assert changes_of([Architecture("resnet18")] * 2) == []


def true_value(architecture: Architecture) -> float:
    """SE in stage 3 is worth 2, tanh costs 1 in each stage that has it, width brings 3."""
    gates = sum(se is not None and se.gate == "tanh" for se in architecture.se)
    wide = "width8" not in str(architecture)
    return 2.0 * (architecture.stages[3] is not None) - gates + 3.0 * wide


@pytest.fixture(scope="module")
def found() -> dict[str, Effect]:
    trained, rng = networks(), random.Random(1)
    values = [true_value(a) + rng.gauss(0, 0.2) for a in trained]
    contrasts = Contrasts([of_architecture(a) for a in trained], values)

    def price(architecture: Architecture) -> object:
        return cost(architecture, input_size=8, in_channels=1, num_classes=10)

    told = effects(changes_of(networks()), contrasts, price)  # type: ignore[arg-type]
    return {effect.change.choice: effect for effect in told}


def test_effects_are_what_they_were_made(found: dict[str, Effect]) -> None:
    gates = [n for n in networks() if any(n.se)]
    stages = sum(sum(se is not None for se in n.se) for n in gates) / len(gates)
    for choice_, true in {"SE in stage 4": -0.5, "SE in stage 3": 1.5, "gate": -stages,
                          "trunk": -3.0, "reduction": 0.0}.items():  # fmt: skip
        estimate = found[choice_].worth
        assert estimate.low - 0.2 < true < estimate.high + 0.2, choice_
    assert found["SE in stage 3"].worth.sign == 1
    assert found["trunk"].worth.sign == -1


def test_prices_are_exact_averages(found: dict[str, Effect]) -> None:
    effect = found["SE in stage 4"]
    differences = [cost(a).params - cost(b).params for b, a in effect.change.pairs]
    assert effect.params == pytest.approx(sum(differences) / len(differences))
    assert effect.params > 0
    assert effect.latency_ms is None
    assert found["gate"].params == 0


def test_effects_together_are_their_sum_with_an_interval_of_its_own(
    found: dict[str, Effect],
) -> None:
    trained, rng = networks(), random.Random(1)
    values = [true_value(a) + rng.gauss(0, 0.2) for a in trained]
    contrasts = Contrasts([of_architecture(a) for a in trained], values)
    parts = [found["SE in stage 3"], found["SE in stage 4"]]
    both = worth([part.change for part in parts], contrasts)
    assert both.value == pytest.approx(sum(part.worth.value for part in parts), abs=1e-6)
    assert both.half < sum(part.worth.half for part in parts)
