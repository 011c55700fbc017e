"""Gates of a trained network on images: collected by hooks, and what they vary with."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from se_nas.data import Images, eval_loader
from se_nas.nn.squeeze_excitation import SqueezeExcitation
from se_nas.tasks.metrics import Floats, Labels
from se_nas.training.evaluation import to_device

SATURATED, DEAD, CONSTANT = 0.99, 0.01, 0.01
BATCH = 128


@dataclass(frozen=True)
class Gates:
    """The gates of one SE block.

    Attributes:
        block: its name in the network, such as ``stage4.1.se``.
        values: [images, channels]; with NoSqueeze the mean over positions.
        labels: [images].
    """

    block: str
    values: Floats
    labels: Labels

    @property
    def mean(self) -> Floats:
        """The mean gate of each channel, [channels]."""
        found: Floats = self.values.mean(0)
        return found

    def of_class(self, label: int) -> Floats:
        """Return the gates of a class's images, [images, channels]."""
        found: Floats = self.values[self.labels == label]
        return found


@dataclass(frozen=True)
class GateStatistics:
    """What the gates of a block vary with; means over channels.

    Attributes:
        mean: of all gates.
        between_classes, within_classes: variances of a channel's gate over class means, and over
            the images of a class; they sum to the variance over images.
        saturated, dead: shares of gates above 0.99 and below 0.01.
        near_constant: share of channels whose gate deviates by less than 0.01 over images: SE
            could be a constant there.
    """

    block: str
    channels: int
    mean: float
    between_classes: float
    within_classes: float
    saturated: float
    dead: float
    near_constant: float


def collect(model: nn.Module, images: Images, device: torch.device | str) -> list[Gates]:
    """Return the gates of every SE block on images, in the order of the network.

    They are what the excitation gives before the scale (paper, equation 3), by hooks on the second
    FC layer; the network stays as it is.
    """
    blocks = {n: m for n, m in model.named_modules() if isinstance(m, SqueezeExcitation)}
    found: dict[str, list[Tensor]] = {name: [] for name in blocks}
    count = 0
    labels: list[Tensor] = []

    def hook(name: str, block: SqueezeExcitation) -> Any:
        def keep(_: nn.Module, __: Any, logits: Tensor) -> None:
            gates = block.gate_function(logits).double().cpu()
            found[name].append(gates.reshape(count, -1, gates.shape[1]).mean(1))

        return block.fc2.register_forward_hook(keep)

    handles = [hook(name, block) for name, block in blocks.items()]
    was_training = model.training
    model.eval().to(device)
    try:
        with torch.inference_mode():
            for batch, own in eval_loader(images, BATCH, device=device):
                count = len(own)
                model(to_device(batch, own, torch.device(device))[0])
                labels.append(own)
    finally:
        for handle in handles:
            handle.remove()
        model.train(was_training)
    told = torch.cat(labels).numpy()
    return [Gates(name, torch.cat(each).numpy(), told) for name, each in found.items()]


def statistics_of(gates: Gates) -> GateStatistics:
    """Return what the gates vary with.

    >>> values = np.array([[0.0, 0.5], [0.0, 0.5], [1.0, 0.5], [1.0, 0.5]])
    >>> found = statistics_of(Gates("se", values, np.array([0, 0, 1, 1])))
    >>> found.between_classes, found.within_classes, found.near_constant
    (0.125, 0.0, 0.5)
    """
    values = gates.values
    between, within = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for label in np.unique(gates.labels):
        own = gates.of_class(label)
        share = len(own) / len(values)
        between += share * (own.mean(0) - gates.mean) ** 2
        within += share * own.var(0)
    return GateStatistics(
        gates.block,
        values.shape[1],
        float(values.mean()),
        float(between.mean()),
        float(within.mean()),
        float((values > SATURATED).mean()),
        float((values < DEAD).mean()),
        float((values.std(0) < CONSTANT).mean()),
    )


def shares_of_time(
    model: nn.Module, names: Sequence[str], x_nchw: Tensor, passes: int = 15
) -> dict[str, float]:
    """Return the share of a forward pass that each SE block takes: what dropping it would win.

    Medians over passes in eval mode; the first three are not counted.
    """
    spans: dict[str, list[float]] = {name: [] for name in names}
    began: dict[str, float] = {}

    def now() -> float:
        if x_nchw.is_cuda:
            torch.cuda.synchronize(x_nchw.device)
        return time.perf_counter()

    def timed(name: str) -> list[Any]:
        def before(*_: object) -> None:
            began[name] = now()

        def after(*_: object) -> None:
            spans[name].append(now() - began[name])

        module = model.get_submodule(name)
        return [module.register_forward_pre_hook(before), module.register_forward_hook(after)]

    was_training, whole = model.training, []
    handles = [handle for name in names for handle in timed(name)]
    try:
        model.eval()
        with torch.inference_mode():
            for _ in range(passes + 3):
                start = now()
                model(x_nchw)
                whole.append(now() - start)
    finally:
        for handle in handles:
            handle.remove()
        model.train(was_training)
    total = statistics.median(whole[3:])
    return {name: statistics.median(own[3:]) / total for name, own in spans.items()}


@contextmanager
def replaced(model: nn.Module, constants: Mapping[str, Floats | None]) -> Iterator[None]:
    """Let SE blocks scale by constants while the block lasts.

    Args:
        constants: for each block's name its factors, [channels]; None lets the map pass as it is.
    """

    def put(module: nn.Module, factors: Floats | None) -> Any:
        def scaled(_: nn.Module, given: tuple[Tensor, ...], __: Tensor) -> Tensor:
            u_nchw = given[0]
            if factors is None:
                return u_nchw
            return u_nchw * torch.as_tensor(factors).to(u_nchw)[:, None, None]

        return module.register_forward_hook(scaled)

    handles = [put(model.get_submodule(name), factors) for name, factors in constants.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
