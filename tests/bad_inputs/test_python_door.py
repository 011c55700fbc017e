"""Arguments of the public functions and values: an ``InputError``, whatever is given."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

import se_nas
from conftest import Refused, RefusedAll
from se_nas import SE, Architecture, InputError, Space, choice, per_stage, trunk
from se_nas.cost import cost
from se_nas.data import ImageShape, from_datasets, load
from se_nas.errors import unknown
from se_nas.latency.settings import LatencySettings
from se_nas.search.config import DataSettings, SearchConfig
from se_nas.settings import settings_of
from se_nas.space.objectives import Constraint, maximize, minimize
from se_nas.training.recipe import Recipe


class Hostile:
    """A value that cannot be printed."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


ANY: dict[str, Any] = {
    "object": object(),
    "bytes": b"x",
    "set": {1},
    "dict": {"a": 1},
    "list": [1, [2]],
    "complex": 1j,
    "function": print,
    "class": int,
    "hostile": Hostile(),
    "text": "\x1b[31m\n",
    "empty": "",
    "nul": "a\0b",
    "long": "x" * 10_000,
    "negative": -1,
    "fraction": 0.3,
    "nan": float("nan"),
    "infinite": float("inf"),
    "huge": 10**30,
    "longer": 10**5000,
    "array": np.zeros(3),
    "tensor": torch.zeros(3),
    "nan_array": np.float32("nan"),
    "truth": True,
}
# Of the kinds above, those that a setting of a kind may have.
TAKES: dict[type[Any], set[str]] = {
    bool: {"truth"},
    int: set(),
    float: {"fraction"},
    str: {"text"},
    tuple: set(),
}
# More that some take: numbers without a bound, and ``None`` in a text's place.
MORE = {"learning_rate": {"huge"}, "gpus_per_trial": {"huge"}, "cpus_per_trial": {"huge"}}


@pytest.mark.parametrize("name", settings_of(SearchConfig))
def test_a_setting_of_a_search(name: str, refuse: Refused) -> None:
    own = settings_of(SearchConfig)[name]
    bad = set(ANY) - TAKES[own.kind] - MORE.get(name, set())
    for why in sorted(bad):
        given: dict[str, Any] = {"space": "digits_se", "gpus": 0, name: ANY[why]}
        line = refuse(se_nas.run_search, **given)
        assert name.rpartition("_")[2] in line.replace("-", "_") or name in line, (why, line)


@pytest.mark.parametrize("kind", [SearchConfig, DataSettings, LatencySettings, Recipe])
def test_a_field_of_settings(kind: type[Any], refuse: Refused) -> None:
    refuse(kind, nothing=1)
    for name, own in settings_of(kind).items():
        if len(own.path) == 2 or (kind is DataSettings and own.kind is int):
            continue
        for why in set(ANY) - TAKES[own.kind] - MORE.get(name, set()):
            refuse(kind, **{own.path[0]: ANY[why]})


MODEL = ImageShape(num_classes=2, in_channels=1, image_size=8)
DATA = TensorDataset(torch.rand(12, 1, 8, 8), torch.arange(12) % 2)


def network() -> Any:
    return se_nas.materialize("resnet8_small", num_classes=2)


CALLS: dict[str, Callable[[Any], Any]] = {
    "SE reduction": lambda x: SE(reduction=x),
    "SE gate": lambda x: SE(gate=x),
    "SE squeeze": lambda x: SE(squeeze=x),
    "SE placement": lambda x: SE(placement=x),
    "SE rounding": lambda x: SE(rounding=x),
    "SE choice": lambda x: SE(reduction=choice(4, x)),
    "Architecture": lambda x: Architecture(x),
    "Architecture se": lambda x: Architecture("resnet18", x),
    "Architecture parse": Architecture.parse,
    "Architecture of": Architecture.of,
    "Architecture JSON": Architecture.from_json,
    "Space JSON": Space.from_json,
    "trunk": trunk,
    "trunk width": lambda x: trunk("resnet18", width=x),
    "trunk depths": lambda x: trunk("resnet18", depths=x),
    "trunk stem": lambda x: trunk("resnet18", stem=x),
    "trunk dropout": lambda x: trunk("resnet18", dropout=x),
    "trunk multiplier": lambda x: trunk("mobilenet_v1", width=x),
    "trunk kernels": lambda x: trunk("mobilenet_v2", kernels=x),
    "Space name": lambda x: Space(x, trunk="resnet18"),
    "Space trunk": lambda x: Space("s", trunk=x),
    "Space se": lambda x: Space("s", trunk="resnet18", se=x),
    "Space constraints": lambda x: Space("s", trunk="resnet18", constraints=x),
    "Space constraint": lambda x: Space("s", trunk="resnet18", constraints=[x]),
    "Space objectives": lambda x: Space("s", trunk="resnet18", objectives=x),
    "Space version": lambda x: Space("s", trunk="resnet18", version=x),
    "per_stage stages": lambda x: per_stage(None, x),
    "per_stage tie": lambda x: per_stage(None, tie=x),
    "params": lambda x: se_nas.params <= x,
    "Constraint": lambda x: Constraint(x, "<=", 1),
    "Constraint operator": lambda x: Constraint("params", x, 1),
    "maximize": maximize,
    "minimize": minimize,
    "load_space": se_nas.load_space,
    "cost": cost,
    "cost input_size": lambda x: cost("resnet18", input_size=x),
    "cost in_channels": lambda x: cost("resnet18", in_channels=x),
    "cost num_classes": lambda x: cost("resnet18", num_classes=x),
    "materialize": se_nas.materialize,
    "materialize num_classes": lambda x: se_nas.materialize("resnet8_small", num_classes=x),
    "materialize in_channels": lambda x: se_nas.materialize("resnet8_small", in_channels=x),
    "materialize weights": lambda x: se_nas.materialize("resnet8_small", weights=x),
    "materialize missing_se": lambda x: se_nas.materialize("resnet8_small", missing_se=x),
    "list_models": se_nas.list_models,
    "load": se_nas.load,
    "save": lambda x: se_nas.save(x, "model.safetensors"),
    "save path": lambda x: se_nas.save(network(), x),
    "export_onnx": lambda x: se_nas.export_onnx(x, "model.onnx"),
    "export_program": lambda x: se_nas.export_program(x, "model.pt2"),
    "export_program input_size": lambda x: se_nas.export_program(network(), "m.pt2", x),
    "optimize_for_inference": se_nas.optimize_for_inference,
    "optimize input_size": lambda x: se_nas.optimize_for_inference(network(), x),
    "insert_se": lambda x: se_nas.insert_se(x, SE()),
    "insert_se se": lambda x: se_nas.insert_se(network(), x),
    "faster_rcnn": lambda x: se_nas.faster_rcnn(x, num_classes=2),
    "faster_rcnn num_classes": lambda x: se_nas.faster_rcnn("resnet18", num_classes=x),
    "from_datasets": from_datasets,
    "from_datasets val": lambda x: from_datasets(DATA, x),
    "from_datasets classes": lambda x: from_datasets(DATA, classes=x),
    "from_datasets name": lambda x: from_datasets(DATA, name=x),
    "from_datasets seed": lambda x: from_datasets(DATA, seed=x),
    "from_datasets workers": lambda x: from_datasets(DATA, workers=x),
    "ImageShape": lambda x: ImageShape(num_classes=x, in_channels=1, image_size=8),
    "load data": load,
    "load data seed": lambda x: load("digits", seed=x),
    "load data val_share": lambda x: load("digits", val_share=x),
    "load data image_size": lambda x: load("digits", image_size=x),
    "run_search space": lambda x: se_nas.run_search(x),
    "run_search data": lambda x: se_nas.run_search("digits_se", x),
    "run_search train": lambda x: se_nas.run_search("digits_se", "digits", train=x),
    "run_search resume": lambda x: se_nas.run_search(resume=x),
    "SearchResult": se_nas.SearchResult.load,
}
LEGITIMATE: dict[str, set[str]] = {
    "trunk dropout": {"fraction"},
    "trunk multiplier": {"fraction"},
    "params": {"fraction", "huge"},
    "per_stage stages": {"dict"},
    "from_datasets val": {"fraction"},
    "load data val_share": {"fraction"},
    "list_models": {"text", "empty", "nul", "long"},  # patterns that nothing matches
    "from_datasets classes": {"list"},
    "run_search train": {"function", "class"},
    "save path": {"text"},
}


@pytest.mark.parametrize("call", CALLS)
def test_an_argument_of_a_public_function(call: str, refuse_all: RefusedAll) -> None:
    legitimate = LEGITIMATE.get(call, set())
    refuse_all(CALLS[call], {why: value for why, value in ANY.items() if why not in legitimate})


def test_errors_travel_between_processes() -> None:
    for error in (InputError("a\nb"), unknown("gate", "sigmiod", ["sigmoid"])):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))
