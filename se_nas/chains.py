"""Runs of modules in a built model: what stands before and after an SE block or a convolution."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from se_nas.modules import Concat, Model, Residual, Shake
from se_nas.parts import GlobalPool
from se_nas.se import SqueezeExcitation

Named = tuple[str, nn.Module]
Neighbours = tuple[
    str,
    SqueezeExcitation,
    "nn.BatchNorm2d | nn.Conv2d | None",
    "nn.Conv2d | nn.Linear | None",
]


def neighbours(model: nn.Module) -> Iterator[Neighbours]:
    """Each SE block with the layers whose output or input it alone scales.

    Yields:
        (name, block, batch norm or convolution before, convolution or classifier after); None
        where there is none. A positive factor passes through a ReLU before the block, and through
        pooling to one value and dropout after it; it does not pass through ReLU6 or hard swish.
    """
    for chain in chains(model):
        for i, (name, module) in enumerate(chain):
            if not isinstance(module, SqueezeExcitation):
                continue
            past = [m for _, m in chain[:i]]
            if past and isinstance(past[-1], nn.ReLU):
                past.pop()
            scalable = (nn.BatchNorm2d, nn.Conv2d)
            before = past[-1] if past and isinstance(past[-1], scalable) else None
            future = (m for _, m in chain[i + 1 :] if not isinstance(m, (GlobalPool, nn.Dropout)))
            follower = next(future, None)
            after = follower if isinstance(follower, (nn.Conv2d, nn.Linear)) else None
            yield name, module, before, after


def chains(model: nn.Module) -> Iterator[list[Named]]:
    """Runs of modules in which each one's output goes to the next one and nowhere else."""
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
