"""NumPy's numbers and texts, at every door: taken as Python's, and kept as such."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import se_nas
from se_nas import SE, Architecture, Space, choice, params, per_stage
from se_nas.cost import cost
from se_nas.data import eval_loader, load, train_loader
from se_nas.data_settings import DataSettings
from se_nas.errors import InputError
from se_nas.latency.settings import LatencySettings
from se_nas.search.config import SearchConfig
from se_nas.space import trunk
from se_nas.space.objectives import Constraint, Objective
from se_nas.training.recipe import Recipe
from se_nas.values import as_python, is_number, whole

SMALL = "resnet8_small"
i, f, s = np.int64, np.float64, np.str_

# What is given with NumPy's, and the same with Python's.
SAME: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "SE": (
        lambda: SE(i(4), s("pre"), s("max"), s("tanh"), np.False_, s("round8")),  # type: ignore[arg-type]
        lambda: SE(4, "pre", "max", "tanh", False, "round8"),
    ),
    "ratio": (lambda: SE(np.float32(2.5)), lambda: SE(2.5)),
    "width": (lambda: trunk(SMALL, width=i(8)), lambda: trunk(SMALL, width=8)),
    "words": (lambda: trunk(SMALL, lineage=s("tv")), lambda: trunk(SMALL, lineage="tv")),
    "depths": (
        lambda: trunk(SMALL, depths=tuple(np.array([1, 2, 1]))),
        lambda: trunk(SMALL, depths=(1, 2, 1)),
    ),
    "multiplier": (
        lambda: trunk("mobilenet_v1", width=np.float32(0.25)),
        lambda: trunk("mobilenet_v1", width=0.25),
    ),
    "choice": (lambda: choice(*np.array([8, 16])), lambda: choice(8, 16)),
    "stages": (
        lambda: per_stage(SE(), {i(4): None}, tie=[(i(3), i(2))]),
        lambda: per_stage(SE(), {4: None}, tie=[(2, 3)]),
    ),
    "constraint": (lambda: params <= f(5e6), lambda: params <= 5e6),
    "constraint, turned": (lambda: f(5e6) >= params, lambda: params <= 5e6),
    "words of a constraint": (
        lambda: Constraint(s("macs"), s("<="), i(9)),  # type: ignore[arg-type]
        lambda: Constraint("macs", "<=", 9),
    ),
    "objective": (
        lambda: Objective(s("val_acc"), s("maximize")),  # type: ignore[arg-type]
        lambda: Objective("val_acc", "maximize"),
    ),
    "search": (
        lambda: SearchConfig(trials=i(3), seed=i(2), first_rung=np.float32(0.5), name=s("a")),  # type: ignore[arg-type]
        lambda: SearchConfig(trials=3, seed=2, first_rung=0.5, name="a"),
    ),
    "data": (lambda: DataSettings(image_size=i(32)), lambda: DataSettings(image_size=32)),  # type: ignore[arg-type]
    "latency": (
        lambda: LatencySettings(batch=i(3), channels_last=np.True_),  # type: ignore[arg-type]
        lambda: LatencySettings(batch=3, channels_last=True),
    ),
    "recipe": (
        lambda: Recipe(learning_rate=np.float32(0.5), batch_size=i(8)),  # type: ignore[arg-type]
        lambda: Recipe(learning_rate=0.5, batch_size=8),
    ),
    "cost": (
        lambda: cost(SMALL, input_size=i(32), in_channels=i(1), num_classes=i(5)),  # type: ignore[arg-type]
        lambda: cost(SMALL, input_size=32, in_channels=1, num_classes=5),
    ),
    "sizes": (
        lambda: cost(SMALL, input_size=(i(32), i(40))),  # type: ignore[arg-type]
        lambda: cost(SMALL, input_size=(32, 40)),
    ),
    "sample": (
        lambda: Space("a", trunk=trunk(SMALL, width=choice(8, 16, 24))).sample(i(3)),  # type: ignore[arg-type]
        lambda: Space("a", trunk=trunk(SMALL, width=choice(8, 16, 24))).sample(3),
    ),
}


@pytest.mark.parametrize(("given", "same"), SAME.values(), ids=list(SAME))
def test_numbers_and_texts_of_numpy_are_pythons_own(
    given: Callable[[], Any], same: Callable[[], Any]
) -> None:
    assert given() == same()
    assert hash(given()) == hash(same())
    assert repr(given()) == repr(same()), "no number of NumPy's is left inside"


def test_names_ids_and_json_are_the_same() -> None:
    given = Space(
        s("numbers"),
        trunk=trunk("mobilenet_v1", width=choice(*np.array([0.25, 0.5]))),
        se=SE(reduction=choice(*2 ** np.arange(1, 4))),
        constraints=[params <= f(5e6)],
        version=i(2),  # type: ignore[arg-type]
    )
    same = Space(
        "numbers",
        trunk=trunk("mobilenet_v1", width=choice(0.25, 0.5)),
        se=SE(reduction=choice(2, 4, 8)),
        constraints=[params <= 5e6],
        version=2,
    )
    assert given == same
    assert (given.to_json(), given.hash) == (same.to_json(), same.hash)
    for ours, theirs in zip(given, same, strict=True):
        assert (str(ours), ours.id, ours.to_json()) == (str(theirs), theirs.id, theirs.to_json())
    assert Architecture.parse(str(next(iter(given)))) in given
    assert Space.from_json(json.dumps(json.loads(given.to_json()))) == same


REFUSED: dict[str, Callable[[], Any]] = {
    "array of a ratio": lambda: SE(np.array([4])),  # type: ignore[arg-type]
    "array of a word": lambda: SE(squeeze=np.array(["avg"])),  # type: ignore[arg-type]
    "array of a word of a trunk": lambda: trunk(SMALL, lineage=np.array(["tv"])),
    "number without a value": lambda: whole("seed", torch.zeros((), device="meta"), 0),
    "batch of a loader": lambda: eval_loader(load("digits").val, np.array([8])),  # type: ignore[arg-type]
    "truth of a ratio": lambda: SE(np.True_),  # type: ignore[arg-type]
    "nan of a ratio": lambda: SE(f("nan")),
    "infinite ratio": lambda: SE(f("inf")),
    "array of a width": lambda: trunk(SMALL, width=np.array([8])),
    "truth of a width": lambda: trunk(SMALL, width=np.True_),
    "float of a width": lambda: trunk(SMALL, width=f(8)),
    "nan of a multiplier": lambda: trunk("mobilenet_v1", width=f("nan")),
    "array of options": lambda: choice(np.array([4, 8])),
    "two alike": lambda: choice(4, i(4)),
    "array of a limit": lambda: params <= np.array([5.0]),  # type: ignore[operator]
    "nan of a limit": lambda: params <= f("nan"),
    "classes": lambda: se_nas.materialize(SMALL, num_classes=np.array([3])),  # type: ignore[arg-type]
    "truth of classes": lambda: se_nas.materialize(SMALL, num_classes=np.True_),  # type: ignore[arg-type]
    "float of classes": lambda: se_nas.materialize(SMALL, num_classes=f(3)),  # type: ignore[arg-type]
    "sizes": lambda: cost(SMALL, input_size=np.array([32])),  # type: ignore[arg-type]
    "three sizes": lambda: cost(SMALL, input_size=(32, 32, 3)),  # type: ignore[arg-type]
    "batch": lambda: Recipe(batch_size=np.array([8])),  # type: ignore[arg-type]
    "rate": lambda: Recipe(learning_rate=f("inf")),
    "trials": lambda: SearchConfig(trials=np.array([3])),  # type: ignore[arg-type]
    "seed of a sample": lambda: Space("a", trunk=SMALL).sample(np.random.RandomState(0)),  # type: ignore[arg-type]
    "version": lambda: Space("a", trunk=SMALL, version=f(1)),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("give", REFUSED.values(), ids=list(REFUSED))
def test_arrays_truths_and_what_is_not_finite_are_refused_in_one_line(
    give: Callable[[], Any],
) -> None:
    with pytest.raises(InputError) as error:
        give()
    assert "\n" not in str(error.value)


def test_what_is_no_scalar_stays_as_it_is() -> None:
    array = np.arange(3)
    assert as_python(array) is array
    assert as_python("r16") == "r16"
    assert type(as_python(np.longdouble(0.5))) is float
    assert not is_number(as_python(np.array([1])))


def test_loaders_take_them_too() -> None:
    data = load("digits")
    assert len(train_loader(data.train, i(64), seed=0, epoch=0)) == 18  # type: ignore[arg-type]
    assert len(eval_loader(data.val, i(100))) == 3  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_a_whole_number_comes_back_as_a_plain_int(value: Any) -> None:
    assert whole("epochs", value, 3, 3) == 3
    assert type(whole("epochs", value, 1)) is int


@pytest.mark.parametrize("value", [True, np.True_, 2.0, "2", None, 0, -1, np.int64(0)])
def test_what_is_no_whole_number_or_too_small_is_named(value: Any) -> None:
    with pytest.raises(InputError) as error:
        whole("epochs", value, 1)
    assert str(error.value) == f"epochs is {value!r}; give a whole number of at least 1"


def test_both_bounds_are_named_and_a_hint_comes_behind_them() -> None:
    with pytest.raises(InputError, match=r"^seed is 9; give a whole number from 0 to 8\.$"):
        whole("seed", 9, 0, 8, ".")
