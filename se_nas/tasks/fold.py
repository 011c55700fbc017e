"""SE that is free where it brings nothing: gates that hardly vary become constants in neighbours.

In general a gate cannot be folded away, since it depends on the image (hujie-frank/SENet#66). Where
a stage loses nothing when its gates are frozen to their means, these go into the batch norms or
convolutions beside them, and the stage is one without SE: the result is an ``Architecture`` like
any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from se_nas.architecture.architecture import Architecture
from se_nas.data import Data
from se_nas.errors import InputError
from se_nas.models.materialize import materialize
from se_nas.nn.model import Model
from se_nas.nn.neighbours import neighbours
from se_nas.tasks.evaluate import evaluate, images_for
from se_nas.tasks.gates import collect, replaced
from se_nas.tasks.metrics import Evaluation, Floats
from se_nas.texts import written
from se_nas.training.evaluation import default_device
from se_nas.values import is_number


@dataclass(frozen=True)
class Folded:
    """A network with less SE.

    Attributes:
        model: with the weights; the given one is left as it was.
        stages: whose SE was folded away, by number.
        kept: stages that keep their SE, and why.
        before, after: on the validation images, by which was chosen.
        test_before, test_after: on the test part, which chose nothing.
    """

    model: Model
    stages: tuple[int, ...]
    kept: Mapping[int, str]
    before: Evaluation
    after: Evaluation
    test_before: Evaluation
    test_after: Evaluation

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: what became of each stage, and accuracies in [0, 1]."""
        parts = {
            "val_acc_before": self.before,
            "val_acc_after": self.after,
            "test_acc_before": self.test_before,
            "test_acc_after": self.test_after,
        }
        return {
            "architecture": str(self.model.architecture),
            "folded_stages": list(self.stages),
            "kept_stages": dict(self.kept),
            **{name: 1 - found.top1_error for name, found in parts.items()},
        }

    def lines(self) -> list[str]:
        """Return what became of each stage, and accuracies before and after, in lines."""
        stages = ", ".join(map(str, self.stages)) or "none"
        return [
            *(f"stage {n} keeps its SE: {why}" for n, why in sorted(self.kept.items())),
            f"folded: stages {stages}; {self.model.architecture}",
            *(
                f"{part}: {100 - 100 * before.top1_error:.2f} % before, "
                f"{100 - 100 * after.top1_error:.2f} % after, of {before.images:,} images"
                for part, before, after in (
                    ("validation", self.before, self.after),
                    ("test", self.test_before, self.test_after),
                )
            ),
        ]


def fold_se(
    model: Model, data: Data, budget: float = 0.1, *, device: torch.device | str | None = None
) -> Folded:
    """Fold away the SE of the stages that lose at most ``budget`` points in validation together.

    The constants are the mean gates on the training images. Stages are tried in the order of what
    each loses alone, the least first; each is taken if all that are taken lose no more than the
    budget. Negative mean gates, and blocks with no layer beside them that takes their factors
    (``post``, concatenated branches), cannot be folded.

    Args:
        budget: points of accuracy, such as 0.1.

    Raises:
        InputError: the budget is no number of at least 0, or the network does not fit the data.
    """
    check_budget(budget)
    device = default_device() if device is None else torch.device(device)
    before = evaluate([model], data, part="val", device=device)
    means = {g.block: g.mean for g in collect(model, images_for(model, data, "train"), device)}
    blocks = by_stage(model, means)
    kept = {stage: why for stage, own in blocks.items() if (why := _reason(model, own, means))}

    def found(stages: tuple[int, ...]) -> Evaluation:
        names = [name for stage in stages for name in blocks[stage]]
        with replaced(model, {name: means[name] for name in names}):
            return evaluate([model], data, part="val", device=device)

    alone = {stage: found((stage,)) for stage in blocks if stage not in kept}
    taken: tuple[int, ...] = ()
    after = before
    for stage in sorted(alone, key=lambda s: (alone[s].top1_error, alone[s].loss)):
        tried = found((*taken, stage))
        lost = 100 * (tried.top1_error - before.top1_error)
        if lost <= budget + 1e-9:
            taken, after = (*taken, stage), tried
        else:
            kept[stage] = f"without it {lost:.2f} points are lost in validation"
    folded = _without(model, {stage: blocks[stage] for stage in taken}, means).to(device)
    return Folded(
        folded,
        tuple(sorted(taken)),
        kept,
        before,
        evaluate([folded], data, part="val", device=device) if taken else after,
        evaluate([model], data, device=device),
        evaluate([folded], data, device=device),
    )


def check_budget(budget: float) -> None:
    """Raise an ``InputError`` if a budget is no number of points of accuracy."""
    if not is_number(budget) or budget < 0:
        raise InputError(f"budget is {written(budget)}; give points of accuracy, 0 or more")


def by_stage(model: Model, names: Mapping[str, object]) -> dict[int, list[str]]:
    """Return the SE blocks of each stage, by its number."""
    found: dict[int, list[str]] = {}
    for name in names:
        found.setdefault(int(name.split(".")[0].removeprefix("stage")), []).append(name)
    return found


def _reason(model: Model, blocks: list[str], means: Mapping[str, Floats]) -> str:
    """Return why blocks cannot be folded; empty if they can."""
    layers = {name: (before, after) for name, _, before, after in neighbours(model)}
    for name in blocks:
        before, after = layers.get(name, ((), ()))
        one = before or after
        if len(one) != 1 or _width(one[0], bool(before)) != len(means[name]):
            return f"no single layer beside {name} takes its factors"
        if (means[name] < 0).any():
            return f"{name} has negative gates"
    return ""


def _width(layer: nn.Module, before: bool) -> int:
    if isinstance(layer, nn.BatchNorm2d):
        return layer.num_features
    if isinstance(layer, nn.Linear):
        return layer.in_features
    assert isinstance(layer, nn.Conv2d)
    return layer.out_channels if before else layer.in_channels


@torch.no_grad()
def _without(model: Model, blocks: Mapping[int, list[str]], means: Mapping[str, Floats]) -> Model:
    """Return a copy without the SE of some stages, their factors in the layers beside them."""
    old = model.architecture
    se = tuple(None if number in blocks else own for number, own in sorted(old.stages.items()))
    changed = Architecture(old.trunk, se)
    new = materialize(changed, num_classes=model.num_classes, in_channels=model.in_channels)
    new.to(next(model.parameters()).dtype)
    names = {name for own in blocks.values() for name in own}
    state = {
        key: value
        for key, value in model.state_dict().items()
        if key.rsplit(".", 2)[0] not in names
    }
    new.load_state_dict(state)
    at = {id(module): name for name, module in model.named_modules()}
    for name, _, before, after in neighbours(model):
        if name in names:
            layer = new.get_submodule(at[id((before or after)[0])])
            _scale(layer, torch.from_numpy(np.ascontiguousarray(means[name])), bool(before))
    new.preprocessing = model.preprocessing
    new.train(model.training)
    return new


def _scale(layer: nn.Module, factors: torch.Tensor, before: bool) -> None:
    """Multiply a layer's output, or its input, by a factor for each channel."""
    assert isinstance(layer, (nn.BatchNorm2d, nn.Conv2d, nn.Linear))
    weight = layer.weight
    factors = factors.to(weight)
    if before:
        weight.mul_(factors.reshape(-1, *[1] * (weight.ndim - 1)))
        if layer.bias is not None:
            layer.bias.mul_(factors)
    elif isinstance(layer, nn.Conv2d):  # a group's filters see their own channels
        per_group = factors.reshape(layer.groups, -1)
        filters = per_group.repeat_interleave(layer.out_channels // layer.groups, 0)
        weight.mul_(filters[:, :, None, None])
    else:
        weight.mul_(factors)
