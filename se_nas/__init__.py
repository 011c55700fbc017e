"""SE-NAS: neural architecture search with the Squeeze-and-Excitation block as a primitive.

>>> import se_nas
>>> model = se_nas.materialize("se_resnet50_r16")

Importing this package imports neither torch nor ray nor optuna: names are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from se_nas.architecture.architecture import Architecture as Architecture
    from se_nas.cost.network_cost import Cost as Cost
    from se_nas.detection import faster_rcnn as faster_rcnn
    from se_nas.dsl import choice as choice
    from se_nas.dsl import optional as optional
    from se_nas.dsl import per_stage as per_stage
    from se_nas.errors import InputError as InputError
    from se_nas.models.export import export_onnx as export_onnx
    from se_nas.models.export import export_program as export_program
    from se_nas.models.materialize import list_models as list_models
    from se_nas.models.materialize import materialize as materialize
    from se_nas.models.saving import load as load
    from se_nas.models.saving import save as save
    from se_nas.nn.inference import optimize_for_inference as optimize_for_inference
    from se_nas.nn.insertion import insert_se as insert_se
    from se_nas.nn.squeeze_excitation import SqueezeExcitation as SqueezeExcitation
    from se_nas.se import SE as SE
    from se_nas.search import run_search as run_search
    from se_nas.search.results.search_result import SearchResult as SearchResult
    from se_nas.search.study.additive_sampler import AdditiveSampler as AdditiveSampler
    from se_nas.space.objectives import latency_ms as latency_ms
    from se_nas.space.objectives import macs as macs
    from se_nas.space.objectives import maximize as maximize
    from se_nas.space.objectives import minimize as minimize
    from se_nas.space.objectives import params as params
    from se_nas.space.objectives import peak_activations as peak_activations
    from se_nas.space.space import Space as Space
    from se_nas.space.space import trunk as trunk
    from se_nas.space.space_files import load_space as load_space
    from se_nas.tasks.explain import explain as explain
    from se_nas.tasks.fold import fold_se as fold_se
    from se_nas.training.custom import StopTraining as StopTraining
    from se_nas.training.custom import TrainResult as TrainResult

__version__ = "0.1.0"

_HOME = {
    "AdditiveSampler": "search.study.additive_sampler",
    "Architecture": "architecture.architecture",
    "Cost": "cost.network_cost",
    "faster_rcnn": "detection",
    "choice": "dsl",
    "optional": "dsl",
    "per_stage": "dsl",
    "InputError": "errors",
    "export_onnx": "models.export",
    "export_program": "models.export",
    "list_models": "models.materialize",
    "materialize": "models.materialize",
    "load": "models.saving",
    "save": "models.saving",
    "optimize_for_inference": "nn.inference",
    "insert_se": "nn.insertion",
    "SqueezeExcitation": "nn.squeeze_excitation",
    "SE": "se",
    "run_search": "search",
    "SearchResult": "search.results.search_result",
    "latency_ms": "space.objectives",
    "macs": "space.objectives",
    "maximize": "space.objectives",
    "minimize": "space.objectives",
    "params": "space.objectives",
    "peak_activations": "space.objectives",
    "Space": "space.space",
    "trunk": "space.space",
    "load_space": "space.space_files",
    "explain": "tasks.explain",
    "fold_se": "tasks.fold",
    "StopTraining": "training.custom",
    "TrainResult": "training.custom",
}

__all__ = ["__version__", *_HOME]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'se_nas' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"se_nas.{_HOME[name]}"), name)
    globals()[name] = value  # a function may be named like its module: keep the function
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
