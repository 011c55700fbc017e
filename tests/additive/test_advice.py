"""Advice says what the effects say, and no more."""

from __future__ import annotations

import random

import pytest

from se_nas import SE, Architecture, Space, choice, optional, per_stage
from se_nas.additive.advice import advice, more_trials
from se_nas.additive.candidates import at_random
from se_nas.additive.contrasts import Contrasts, Estimate
from se_nas.additive.effects import changes_of, effects
from se_nas.additive.features import of_architecture
from se_nas.cost.network_cost import cost

SPACE = Space(
    "s",
    trunk="resnet8_small",
    se=per_stage(optional(SE(reduction=4, gate=choice("sigmoid", "tanh")))),
)


def told(worths: dict[int, float], tanh: float = 0.0, noise: float = 0.2, trials: int = 60) -> str:
    """Return the advice of trials of networks whose SE is worth this by stage."""
    rng = random.Random(0)
    networks = [at_random(SPACE.draw, rng).value for _ in range(trials)]

    def value(architecture: Architecture) -> float:
        gates = [se.gate for se in architecture.se if se]
        own = sum(worths.get(n, 0.0) for n, se in architecture.stages.items() if se)
        return own + tanh * gates.count("tanh") + rng.gauss(0, noise)

    contrasts = Contrasts([of_architecture(a) for a in networks], [value(a) for a in networks])
    found = effects(changes_of(networks), contrasts, cost)
    return advice(found, contrasts, lambda e: f"{e.value:+.1f} ± {e.half:.1f} points")


def test_what_pays_is_told_together_with_its_price() -> None:
    text = told({3: 1.0, 4: 1.0})
    assert text.startswith("SE in stages 3 and 4 is worth +")
    assert " parameters and " in text
    assert "60 trials cannot tell whether SE in stage 2 pays" in text


def test_what_costs_is_told() -> None:
    assert "SE costs more than it brings: -1." in told({2: -1.5})


def test_a_setting_that_matters_is_told() -> None:
    assert "Gate tanh is worth -" in told({2: 2.0, 3: 2.0, 4: 2.0}, tanh=-1.0)


def test_of_noise_no_advice_is_given() -> None:
    text = told({}, noise=1.0, trials=30)
    assert text.startswith("30 trials cannot tell whether SE in stages 2, 3 and 4 pays (")
    assert " is worth " not in text.partition(";")[0]


def test_how_many_more_trials_would_tell() -> None:
    assert more_trials(Estimate(0.5, -0.5, 1.5), 50) == 150
    assert more_trials(Estimate(0.1, -0.9, 1.1), 50) is None
    assert more_trials(Estimate(0.0, -1.0, 1.0), 50) is None
    assert more_trials(Estimate(0.99, -0.01, 1.99), 10) == 1


def test_without_a_choice_there_is_nothing_to_tell() -> None:
    contrasts = Contrasts([of_architecture(Architecture("resnet18"))] * 3, [0.1, 0.2, 0.3])
    text = advice([], contrasts, str)
    assert text == "3 trials do not vary any choice, so they tell nothing."


@pytest.mark.parametrize("count", [1, 2])
def test_families_are_named_where_there_are_several(count: int) -> None:
    space = Space("s", trunk=choice(*["resnet8_small", "mobilenet_v1"][:count]),
                  se=per_stage(optional(SE(4))))  # fmt: skip
    rng = random.Random(0)
    networks = [at_random(space.draw, rng).value for _ in range(60)]
    values = [float(a.stages[4] is not None) + rng.gauss(0, 0.01) for a in networks]
    contrasts = Contrasts([of_architecture(a) for a in networks], values)
    text = advice(effects(changes_of(networks), contrasts, cost), contrasts, lambda e: "much")
    assert ("of resnet" in text) == (count == 2)
