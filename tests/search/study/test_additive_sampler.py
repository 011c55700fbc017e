"""The sampler in anyone's study, with a space, cut and resumed, with several objectives."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from se_nas import SE, Architecture, Space, choice, optional, params, per_stage, trunk
from se_nas.cost.network_cost import Cost, cost
from se_nas.search.study.additive_sampler import AdditiveSampler
from se_nas.search.study.records import MEMORY


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


SPACE = Space(
    "small",
    trunk=trunk("resnet8_small", width=choice(8, 12, 16)),
    se=per_stage(optional(SE(choice(2, 4, 8), gate=choice("sigmoid", "tanh")))),
    constraints=[params <= 60_000],
)


def price(architecture: Architecture) -> Cost:
    return cost(architecture, input_size=8, in_channels=1, num_classes=10)


def value(architecture: Architecture, seed: int = 0) -> float:
    gains = [0.2, 0.5, 1.0]
    ratios = {2: 0.3, 4: 0.4, 8: 0.0}
    own = sum(
        gain + ratios[int(se.reduction)] - 0.2 * (se.gate == "tanh")
        for gain, se in zip(gains, architecture.se, strict=True)
        if se is not None
    )
    return own + random.Random(f"{seed}{architecture}").gauss(0, 0.1)


BEST = 0.2 + 0.5 + 1.0 + 3 * 0.4


def with_space(seed: int, trials: int, **settings: Any) -> optuna.Study:
    sampler = AdditiveSampler(SPACE, price, seed=seed, **settings)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda trial: value(SPACE.suggest(trial)), n_trials=trials)
    return study


def test_with_a_space_it_finds_the_best_and_breaks_no_constraint() -> None:
    study = with_space(0, 60)
    networks = [SPACE.suggest(optuna.trial.FixedTrial(trial.params)) for trial in study.trials]
    assert all(SPACE.admits(price(network)) for network in networks)
    assert len({network.id for network in networks}) == 60, "no network comes twice"
    late = [trial.value for trial in study.trials[40:]]
    early = [trial.value for trial in study.trials[:12]]
    assert sum(late) / len(late) > sum(early) / len(early) + 0.5
    assert isinstance(study.sampler, AdditiveSampler)
    best = study.sampler.ranking(study)[0]
    assert value(networks[best.number]) > BEST - 0.4
    assert best.mean == pytest.approx(value(networks[best.number]), abs=3 * best.deviation + 0.3)


def conditional(trial: optuna.Trial) -> float:
    kind = trial.suggest_categorical("kind", ("a", "b", "c"))
    found = {"a": 0.0, "b": 1.0, "c": 0.5}[kind]
    if kind == "b":
        found += {1: 0.0, 2: 0.6, 3: 0.2}[trial.suggest_int("size", 1, 3)]
    for i in range(6):
        found += 0.3 * trial.suggest_int(f"x{i}", 0, 2)
    return found


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_anyones_study_with_conditions_and_integers(direction: str) -> None:
    study = optuna.create_study(direction=direction, sampler=AdditiveSampler(seed=0))
    sign = 1 if direction == "maximize" else -1
    study.optimize(lambda trial: sign * conditional(trial), n_trials=50)
    assert sign * study.best_value == pytest.approx(1.6 + 0.3 * 12)
    assert isinstance(study.sampler, AdditiveSampler)
    assert study.sampler.ranking(study)[0].number == study.best_trial.number


def test_floats_are_drawn_at_random_beside_the_rest() -> None:
    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 0.0, 1.0)
        return trial.suggest_int("x", 0, 5) + 0.01 * rate

    study = optuna.create_study(direction="maximize", sampler=AdditiveSampler(seed=0, startup=6))
    study.optimize(objective, n_trials=25)
    assert len({trial.params["rate"] for trial in study.trials}) == 25


def test_a_small_space_is_exhausted_without_an_error() -> None:
    study = optuna.create_study(sampler=AdditiveSampler(seed=0, startup=3))
    study.optimize(lambda trial: trial.suggest_int("x", 0, 3), n_trials=10)
    assert {trial.params["x"] for trial in study.trials} == {0, 1, 2, 3}


def test_a_study_that_is_cut_goes_on_with_the_same_proposals(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    whole = with_space(3, 40)
    for part in (17, 12, 11):
        study = optuna.create_study(
            study_name="cut",
            storage=storage,
            direction="maximize",
            load_if_exists=True,
            sampler=AdditiveSampler(SPACE, price, seed=3),
        )
        study.optimize(lambda trial: value(SPACE.suggest(trial)), n_trials=part)
    assert [t.params for t in study.trials] == [t.params for t in whole.trials]
    other = with_space(4, 12)
    assert [t.params for t in other.trials] != [t.params for t in whole.trials[:12]]


def test_running_trials_are_not_proposed_again() -> None:
    sampler = AdditiveSampler(SPACE, price, seed=0, startup=5)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda trial: value(SPACE.suggest(trial)), n_trials=20)
    waiting = [SPACE.suggest(study.ask()).id for _ in range(15)]
    done = [
        SPACE.suggest(optuna.trial.FixedTrial(trial.params)).id
        for trial in study.get_trials(states=[TrialState.COMPLETE])
    ]
    assert len({*waiting, *done}) == 35


def test_memory_that_ran_out_is_learnt_from_the_studys_trials() -> None:
    sampler = AdditiveSampler(SPACE, price, seed=0, startup=5)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    failed = 0
    for number in range(60):
        trial = study.ask()
        architecture = SPACE.suggest(trial)
        if price(architecture).params > 45_000:
            failed += number >= 20
            trial.set_constraint(MEMORY, 1.0)
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, value(architecture) + price(architecture).params / 1e5)
    assert failed <= 2


def test_constraints_that_nobody_can_compute_are_learnt() -> None:
    def objective(trial: optuna.Trial) -> float:
        total = sum(trial.suggest_int(f"x{i}", 0, 3) for i in range(5))
        trial.set_constraint("small", total - 7.5)
        return float(total)

    study = optuna.create_study(direction="maximize", sampler=AdditiveSampler(seed=0))
    study.optimize(objective, n_trials=60)
    late = study.trials[30:]
    assert sum(trial.constraints["small"] > 0 for trial in late) <= 6
    assert max(trial.value or 0 for trial in study.trials if trial.constraints["small"] <= 0) == 7


def test_a_constraint_of_the_users_own_is_learnt_beside_those_of_a_space() -> None:
    sampler = AdditiveSampler(SPACE, price, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(38):
        trial = study.ask()
        architecture = SPACE.suggest(trial)
        blocks = sum(se is not None for se in architecture.se)
        trial.set_constraint("hot", blocks - 1.5)
        study.tell(trial, value(architecture))
    assert sum(trial.constraints["hot"] > 0 for trial in study.trials[14:]) <= 2


def test_a_constraint_that_no_trial_kept_rules_nothing_out() -> None:
    study = optuna.create_study(direction="maximize", sampler=AdditiveSampler(seed=0))
    for number in range(60):
        trial = study.ask()
        total = sum(trial.suggest_int(f"x{i}", 0, 3) for i in range(5))
        if number % 4 == 0:
            trial.set_constraint("broken", 1.0)
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, float(total))
    assert study.best_value >= 14


def test_trials_that_were_stopped_early_count_from_their_rung() -> None:
    """Half of the values are those of an epoch at which all are 5 lower."""
    sampler = AdditiveSampler(SPACE, price, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for number in range(60):
        trial = study.ask()
        architecture = SPACE.suggest(trial)
        if number % 2:
            trial.report(value(architecture) - 5, 2)
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, value(architecture))
    late = [SPACE.suggest(optuna.trial.FixedTrial(t.params)) for t in study.trials[44:]]
    assert sum(map(value, late)) / len(late) > 0.7 * BEST


def area(points: list[tuple[float, float]]) -> float:
    """The area that is dominated: accuracy up from 0, parameters down from 90,000."""
    total, reached = 0.0, 0.0
    for accuracy, size in sorted(points, key=lambda point: -point[0]):
        gained = max(0.0, 90_000 - size - reached)
        total, reached = total + gained * accuracy, reached + gained
    return total


def test_several_objectives_give_a_front() -> None:
    sampler = AdditiveSampler(SPACE, price, seed=0)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

    def both(architecture: Architecture) -> tuple[float, float]:
        return value(architecture), float(price(architecture).params)

    study.optimize(lambda trial: both(SPACE.suggest(trial)), n_trials=60)
    found = area([(trial.values[0], trial.values[1]) for trial in study.trials])
    admitted = [architecture for architecture in SPACE if SPACE.admits(price(architecture))]
    assert found > 0.96 * area(list(map(both, admitted)))
    drawn = random.Random(0).sample(admitted, 60)
    assert found > 1.05 * area(list(map(both, drawn)))


def test_while_little_is_known_what_was_seen_is_believed() -> None:
    for seed in range(5):
        sampler = AdditiveSampler(SPACE, price, seed=seed)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        rng = random.Random(seed)
        for _ in range(10):
            trial = study.ask()
            SPACE.suggest(trial)
            study.tell(trial, rng.gauss(0, 1))
        assert sampler.ranking(study)[0].number == study.best_trial.number
