"""``Space``: size, enumeration, sampling, membership, JSON and hash; stock Optuna on top."""

from __future__ import annotations

import json
import random
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.samplers import RandomSampler, TPESampler

from se_nas import (
    SE,
    Architecture,
    InputError,
    Space,
    choice,
    macs,
    maximize,
    minimize,
    optional,
    params,
    per_stage,
    trunk,
)
from se_nas.cost import cost
from se_nas.space.objectives import Constraint

SE_TEMPLATE = SE(reduction=choice(2, 4), placement=choice("standard", "pre"))

SPACES = {
    space.name: space
    for space in (
        Space("one", trunk="resnet18"),
        Space("uniform", trunk=choice("resnet18", "resnet34"), se=optional(SE_TEMPLATE)),
        Space("stages", trunk="resnet8_small", se=per_stage(optional(SE_TEMPLATE))),
        Space(
            "settings",
            trunk=trunk("resnet8_small", width=choice(8, 16), depths=(1, choice(1, 2), 1)),
            se=per_stage(choice(None, SE()), {3: None}),
        ),
        Space(
            "ties",
            trunk="resnet18",
            se=per_stage(optional(SE(reduction=choice(2, 4))), {2: SE(8)}, tie=[(3, 4)]),
        ),
        Space(
            "families",  # 3, 5, 3 and 4 stages
            trunk=choice(
                trunk("resnet8_small", width=choice(8, 16)),
                "mobilenet_v1",
                "shufflenet_v1_g3",
                "resnet18",
            ),
            se=per_stage(choice(None, SE(4)), tie=[(2, 3), (4, 5)]),
        ),
        Space(
            "nested",
            trunk="resnet8_small",
            se=optional(choice(SE(reduction=choice(2, choice(4, 8))), SE(16, gate="tanh"))),
        ),
        Space(
            "which",
            trunk="resnet8_small",
            se=choice(
                None,
                SE(reduction=choice(2, 4)),
                per_stage(None, {2: SE(reduction=choice(8, 16))}),
                per_stage(SE(32), {3: None}),
                choice(per_stage(choice(SE(64), SE(128)), tie=[(2, 3)]), SE(256)),
            ),
        ),
        Space(
            "trunks",
            trunk=choice(
                choice("resnet18", "resnet34"),
                trunk("mobilenet_v2", width=choice(0.5, choice(0.75, 1.0))),
            ),
        ),
    )
}
SIZES = {
    "one": 1,
    "uniform": 10,
    "stages": 5**3,
    "settings": 4 * 2 * 2,
    "ties": 3 * 3,
    "families": 2 * 4 + 8 + 4 + 4,
    "nested": 1 + 3 + 1,
    "which": 1 + 2 + 2 + 1 + 2 * 2 + 1,
    "trunks": 2 + 3,
}


@pytest.fixture(params=list(SPACES.values()), ids=list(SPACES))
def space(request: pytest.FixtureRequest) -> Space:
    found: Space = request.param
    return found


def test_size_is_the_number_of_architectures(space: Space) -> None:
    listed = list(space)
    assert space.size == len(listed) == len(set(listed)) == SIZES[space.name]
    assert list(space) == listed, "the order is fixed"


def replay(space: Space, architecture: Architecture) -> Architecture:
    decisions = space.decisions(architecture)
    assert decisions is not None
    left = dict(decisions)

    def ask(path: str, options: tuple[Any, ...]) -> Any:
        assert decisions[path] in options
        return left.pop(path)

    drawn = space.draw(ask)
    assert not left, "no decision is left over"
    return drawn


def test_decisions_replay_every_architecture(space: Space) -> None:
    seen: set[str] = set()
    for architecture in space:
        assert architecture in space
        assert replay(space, architecture) == architecture
        seen.add(json.dumps(space.decisions(architecture), sort_keys=True))
    assert len(seen) == space.size, "no two architectures share their decisions"


def test_samples_are_members_and_cover_the_space(space: Space) -> None:
    rng = random.Random(0)
    drawn = [space.sample(rng) for _ in range(40 * space.size)]
    assert set(drawn) == set(space)


def test_a_seed_draws_the_same_again() -> None:
    space = SPACES["stages"]
    assert [space.sample(seed) for seed in range(20)] == [space.sample(seed) for seed in range(20)]
    assert len({space.sample(seed) for seed in range(50)}) > 20


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("one", Architecture("resnet34")),
        ("one", Architecture("resnet18", SE())),
        ("uniform", Architecture("resnet18", SE(8))),
        ("uniform", Architecture("resnet50", SE(4))),
        ("uniform", Architecture("resnet18", (SE(2), SE(4), SE(4), SE(4)))),
        ("stages", Architecture("resnet8_small", SE(2, gate="tanh"))),
        ("settings", Architecture(trunk("resnet8_small", width=12))),
        ("settings", Architecture(trunk("resnet8_small", width=8), SE())),
        ("ties", Architecture("resnet18", (SE(8), SE(2), SE(4), None))),
        ("families", Architecture("mobilenet_v1", (None, SE(4), None, None, None))),
        ("which", Architecture("resnet8_small", (SE(2), None, None))),
        ("one", "resnet18"),
        ("one", None),
    ],
)
def test_others_are_no_members(name: str, other: object) -> None:
    assert other not in SPACES[name]
    if isinstance(other, Architecture):
        assert SPACES[name].decisions(other) is None


def test_json_round_trip(space: Space) -> None:
    again = Space.from_json(space.to_json())
    assert again == space
    assert again.hash == space.hash
    assert list(again) == list(space)


BASE: dict[str, Any] = {"trunk": "resnet18", "se": SE_TEMPLATE, "constraints": [params <= 5e6]}


def test_hash_is_the_contents() -> None:
    base = Space("a", **BASE)
    assert Space("b", **BASE).hash == base.hash
    assert Space("b", **BASE) != base
    changes: list[dict[str, Any]] = [
        {"trunk": "resnet34"},
        {"trunk": choice("resnet18", "resnet34")},
        {"se": optional(SE_TEMPLATE)},
        {"se": per_stage(SE_TEMPLATE)},
        {"se": per_stage(SE_TEMPLATE, tie=[(2, 3)])},
        {"se": SE(reduction=choice(4, 2), placement=choice("standard", "pre"))},
        {"constraints": []},
        {"constraints": [params <= 6e6]},
        {"constraints": [params >= 5e6]},
        {"objectives": [minimize("val_acc")]},
        {"objectives": [maximize("val_acc"), minimize("macs")]},
        {"version": 2},
    ]
    hashes = {Space("a", **{**BASE, **change}).hash for change in changes}
    assert len(hashes | {base.hash}) == len(changes) + 1
    assert all(len(value) == 12 and int(value, 16) >= 0 for value in hashes)


BROKEN: list[dict[str, Any]] = [
    {"name": 3},
    {"name": "a b"},
    {"trunk": 3},
    {"trunk": "resnet5"},
    {"trunk": {"choise": []}},
    {"trunk": {"trunk": {"family": "resnett"}}},
    {"trunk": {"trunk": {"family": []}}},
    {"se": 3},
    {"se": {"se": {"reducton": 3}}},
    {"se": {"per_stage": None, "stages": [], "tie": []}},
    {"se": {"per_stage": None, "stages": {"x": None}, "tie": []}},
    {"constraints": [3]},
    {"constraints": [{"quantity": "params"}]},
    {"constraints": [{"quantity": "parms", "operator": "<=", "limit": 3}]},
    {"objectives": []},
]
GOOD = json.loads(Space("good", trunk="resnet18", se=SE_TEMPLATE).to_json())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "3",
        "{}",
        *(json.dumps(GOOD | change) for change in BROKEN),
    ],
)
def test_broken_json(text: str) -> None:
    with pytest.raises(InputError) as error:
        Space.from_json(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"trunk": "resnet5"}, "did you mean 'resnet50'"),
        ({"trunk": choice("resnet18", "mobilenet")}, "did you mean 'mobilenet_v"),
        ({"trunk": 3}, "trunk is 3"),
        ({"trunk": None}, "trunk is None"),
        ({"trunk": choice("resnet18", trunk("resnet18", width=64))}, "twice"),
        ({"trunk": choice("resnet50", "resnet18"), "se": SE(placement="conv3x3")}, "conv3x3"),
        ({"se": SE(placement=choice("standard", "conv3x3"))}, "conv3x3"),
        ({"se": per_stage(None, {5: SE(placement="conv3x3")})}, "in stage 5"),
        ({"se": optional(choice(SE(), SE(placement="conv3x3")))}, "conv3x3"),
        ({"trunk": "mobilenet_v1", "se": SE(placement="post")}, "standard, pre, conv3x3"),
        ({"se": per_stage(SE(), {6: None})}, r"stage 6; its trunks have stages \[2, 3, 4, 5\]"),
        ({"se": per_stage(SE(), tie=[(1, 2)])}, "stage 1"),
        ({"se": per_stage(per_stage(SE()))}, "per_stage inside a per_stage"),
        ({"se": per_stage(SE(), {2: choice(None, per_stage(SE()))})}, "inside"),
        ({"se": 16}, "se is 16"),
        ({"se": choice(None, "r16")}, "se is 'r16'"),
        ({"se": per_stage(None, {2: 16})}, "se is 16"),
        ({"constraints": ["params <= 5e6"]}, "is no constraint; write params <= 5e6"),
        ({"constraints": [maximize("val_acc")]}, "is no constraint"),
        ({"constraints": [True]}, "True is no constraint"),
        ({"constraints": params <= 5e6}, r"constraints=\[...\]"),
        ({"objectives": [params <= 5e6]}, "is no objective; write maximize"),
        ({"objectives": ["val_acc"]}, "is no objective"),
        ({"objectives": maximize("val_acc")}, r"objectives=\[...\]"),
        ({"objectives": []}, "objectives is empty"),
    ],
)
def test_construction_refuses(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match) as error:
        Space("wrong", **{"trunk": "resnet18", **arguments})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "-a", "..", "a.b", "a\n", None, 3])
def test_wrong_name(name: Any) -> None:
    with pytest.raises(InputError, match="name of a space"):
        Space(name, trunk="resnet18")


def test_empty_and_duplicate_choices() -> None:
    with pytest.raises(InputError, match="at least one option"):
        Space("s", trunk=choice())
    with pytest.raises(InputError, match="'resnet18' twice"):
        Space("s", trunk=choice("resnet18", "resnet18"))


def test_trunk_refuses() -> None:
    with pytest.raises(InputError, match="did you mean 'width'"):
        trunk("resnet18", widht=16)
    with pytest.raises(InputError, match="did you mean 'resnet18'"):
        trunk("resnet81")
    with pytest.raises(InputError, match="width"):
        trunk("resnet18", width=choice(16, 0))
    with pytest.raises(InputError, match="groups=3"):
        Space("s", trunk=trunk("resnet50", groups=choice(1, 3)))


def test_violations() -> None:
    space = Space("s", trunk="resnet18", constraints=[params <= 100, macs >= 50])
    assert space.violations({"params": 150, "macs": 100}) == {
        "params <= 100": 0.5,
        "macs >= 50": -1.0,
    }
    assert space.violations({"params": 50}) == {"params <= 100": -0.5}
    assert space.constraints[0] == Constraint("params", "<=", 100)


def test_violations_take_costs_and_nothing_else() -> None:
    space = Space("s", trunk="resnet18", constraints=[params <= 100])
    price = cost("resnet18")
    assert space.violations(price) == space.violations(vars(price))
    for wrong in (Architecture("resnet18"), "resnet18", None, 5):
        with pytest.raises(InputError, match="violations takes a Cost, not a"):
            space.violations(wrong)  # type: ignore[arg-type]


def optuna_study(sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(direction="maximize", sampler=sampler)


def test_decisions_replay_through_optuna(space: Space) -> None:
    study = optuna_study(RandomSampler(seed=0))
    architectures = list(space)[:40]
    for architecture in architectures:
        decisions = space.decisions(architecture)
        assert decisions is not None
        study.enqueue_trial(decisions)
    for architecture in architectures:
        trial = study.ask()
        assert space.suggest(trial) == architecture
        assert trial.params == space.decisions(architecture)
        study.tell(trial, 0.0)


def test_parameters_are_dotted_and_conditional() -> None:
    space = Space(
        "s",
        trunk=trunk("resnet8_small", width=choice(8, 16)),
        se=per_stage(optional(SE_TEMPLATE), {4: SE(reduction=choice(2, 4))}),
    )
    study = optuna_study(RandomSampler(seed=0))
    off = on = 0
    for _ in range(40):
        trial = study.ask()
        architecture = space.suggest(trial)
        expected = {"trunk.width", "stage2.se", "stage3.se", "stage4.se.reduction"}
        for number in (2, 3):
            if architecture.stages[number] is None:
                assert trial.params[f"stage{number}.se"] == "none"
                off += 1
            else:
                expected |= {f"stage{number}.se.reduction", f"stage{number}.se.placement"}
                on += 1
        assert set(trial.params) == expected
        assert trial.distributions["trunk.width"] == CategoricalDistribution((8, 16))
        study.tell(trial, 0.0)
    assert off > 10
    assert on > 10


def test_stock_optuna_optimises_a_space() -> None:
    """The plugin on its own: ``space.suggest`` in a function given to ``study.optimize``."""
    space = SPACES["stages"]
    sampler = TPESampler(seed=0, n_startup_trials=10)
    study = optuna_study(sampler)

    def objective(trial: optuna.Trial) -> float:
        stages = space.suggest(trial).stages.values()
        return float(sum(se == SE(4, "pre") for se in stages))

    study.optimize(objective, n_trials=60)
    assert len(study.trials) == 60
    assert all(trial.state == optuna.trial.TrialState.COMPLETE for trial in study.trials)
    # TPE learns: the last trials are better than the random first ones.
    values = [float(trial.value or 0.0) for trial in study.trials]
    assert sum(values[-20:]) / 20 > 2 * sum(values[:10]) / 10 + 0.5
    assert isinstance(study.sampler, TPESampler)


def test_suggest_is_define_by_run_for_ray() -> None:
    # Ray's OptunaSearch passes a trial to a function that returns constants or None.
    space = SPACES["uniform"]
    study = optuna_study(TPESampler(seed=0))
    chosen: list[Architecture] = []

    def define(trial: optuna.Trial) -> dict[str, str]:
        chosen.append(space.suggest(trial))
        return {"architecture": chosen[-1].to_json()}

    for _ in range(10):
        trial = study.ask()
        constants = define(trial)
        assert Architecture.from_json(constants["architecture"]) == chosen[-1] in space
        assert all(isinstance(value, (str, int, float, bool)) for value in trial.params.values())
        study.tell(trial, 0.5)
