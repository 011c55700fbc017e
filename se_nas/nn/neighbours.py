"""Runs of modules in a built model, and the layers before and after each SE block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from torch import nn

from se_nas.nn.blocks import Concat, Residual, Shake
from se_nas.nn.model import Model
from se_nas.nn.ops import GlobalPool
from se_nas.nn.squeeze_excitation import SqueezeExcitation

Named = tuple[str, nn.Module]
# Layers whose factors reach an SE block; none if there is a way on which no factor does.
Layers: TypeAlias = tuple["nn.BatchNorm2d | nn.Conv2d | nn.Linear", ...]
Neighbours: TypeAlias = tuple[str, SqueezeExcitation, Layers, Layers]


def neighbours(model: nn.Module) -> Iterator[Neighbours]:
    """Yield each SE block with the layers whose output or input it alone scales.

    Yields:
        (name, block, batch norms or convolutions before, convolutions or classifier after): one of
        each, or one in every branch of a concatenation; none where there is a way without. A
        positive factor passes through ReLU and pooling, and through dropout; it does not pass
        through ReLU6 or hard swish, nor through a batch norm after the block.
    """
    for chain in module_chains(model):
        for i, (name, module) in enumerate(chain):
            if isinstance(module, SqueezeExcitation):
                modules = [m for _, m in chain]
                yield name, module, _last(modules[:i]), _first(modules[i + 1 :])


HOMOGENEOUS = (nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, GlobalPool, nn.Dropout)


def _last(modules: list[nn.Module]) -> Layers:
    """Return the layers at the end of a run that scale all of its output."""
    for module in reversed(modules):
        if isinstance(module, (nn.BatchNorm2d, nn.Conv2d)):
            return (module,)
        if isinstance(module, Concat):
            return _every(_last(branch) for branch in _branches(module))
        if not isinstance(module, HOMOGENEOUS):
            break
    return ()


def _first(modules: list[nn.Module]) -> Layers:
    """Return the layers at the start of a run that scale all of its input."""
    for module in modules:
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            return (module,)
        if isinstance(module, Concat) and not module.split:
            return _every(_first(branch) for branch in _branches(module))
        if not isinstance(module, HOMOGENEOUS):
            break
    return ()


def _branches(concat: Concat) -> Iterator[list[nn.Module]]:
    for name in concat.branches:
        yield [module for _, module in _flat(name, getattr(concat, name))]


def _every(found: Iterable[Layers]) -> Layers:
    sides = list(found)
    return tuple(layer for side in sides for layer in side) if all(sides) else ()


def module_chains(model: nn.Module) -> Iterator[list[Named]]:
    """Yield runs of modules in which each one's output goes to the next and nowhere else."""
    yield _flat("", model)
    for path, module in model.named_modules():
        if isinstance(module, Residual):
            for names in (module.branch, ("downsample",), module.after):
                children = [(f"{path}.{name}", getattr(module, name)) for name in names]
                yield [pair for name, child in children for pair in _flat(name, child)]
        elif isinstance(module, (Concat, Shake)):
            for name in module.branches:
                yield _flat(f"{path}.{name}", getattr(module, name))


def _flat(path: str, module: nn.Module | None) -> list[Named]:
    if not isinstance(module, (nn.Sequential, Model)):
        return [] if module is None else [(path, module)]
    prefix = f"{path}." if path else ""
    return [pair for name, child in module.named_children() for pair in _flat(prefix + name, child)]
