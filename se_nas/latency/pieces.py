"""Networks as they are timed, and the pieces that they are cut into, as modules."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from se_nas.architecture.architecture import Architecture
from se_nas.errors import InputError
from se_nas.latency.blocks import split
from se_nas.latency.settings import LatencySettings, Signature
from se_nas.models.materialize import materialize
from se_nas.nn.model import Model
from se_nas.texts import first_line
from se_nas.trunks import Trunk

# Networks of a trunk that are made ready whole, where that takes seconds each.
WHOLES = 4


class FirstOfTrunks:
    """The first networks of each trunk that it is asked about."""

    def __init__(self) -> None:
        self._chosen: dict[Trunk, set[str]] = {}

    def __call__(self, architecture: Architecture) -> bool:
        """Return whether the network is among the first of its trunk, now and later on."""
        chosen = self._chosen.setdefault(architecture.trunk, set())
        if len(chosen) < WHOLES:
            chosen.add(architecture.id)
        return architecture.id in chosen


def prepared(
    architecture: Architecture, signature: Signature, settings: LatencySettings, device: str
) -> tuple[Model, Tensor]:
    """Return the model and a batch, after one pass to see that the device can do it.

    Raises:
        InputError: it cannot in this precision.
    """
    layout = torch.channels_last if settings.channels_last else torch.contiguous_format
    dtype: torch.dtype = getattr(torch, settings.precision)
    model = materialize(
        architecture, num_classes=signature.num_classes, in_channels=signature.in_channels
    ).eval()
    as_if_trained(model)
    model = model.to(device=device, dtype=dtype)
    model = model.to(memory_format=layout)
    # Not zeros: on a GPU the work on zeros draws less power, so that it runs faster.
    side = signature.image_size
    images = torch.randn(
        (settings.batch, signature.in_channels, side, side),
        generator=torch.Generator().manual_seed(0),
    )
    images = images.to(device=device, dtype=dtype).contiguous(memory_format=layout)
    try:
        with torch.inference_mode():
            model(images)
    except RuntimeError as error:
        reason = first_line(error)
        if "not implemented" not in reason:
            raise
        raise InputError(
            f"latency precision {settings.precision}: {device} cannot run "
            f"{architecture} in it ({reason})"
        ) from None
    return model, images


@torch.no_grad()
def as_if_trained(model: nn.Module) -> None:
    """Give the batch norms biases, so that maps stay of the order of 1 as in a trained network.

    Fresh ones hand maps on that shrink from block to block: with a few tanh gates to subnormal
    numbers, on which a CPU computes many times slower (a MobileNet: 7.6 rather than 6.3 ms).
    """
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.bias.normal_(generator=generator)


class Head(nn.Module):
    """The head of a model as a module of its own."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.model.forward_head(x)


def cut(model: Model) -> list[nn.Module]:
    """Cut the model into the pieces that ``blocks.blocks`` describes."""
    found = [_run([model.get_submodule(name) for name in own]) for own in module_names(model)[:-1]]
    return [*found, Head(model)]


def module_names(model: Model) -> list[list[str]]:
    """Return the names of the modules of each piece; of the head none, which is what is left."""
    network = model.architecture.network(
        num_classes=model.num_classes, in_channels=model.in_channels
    )
    names = [list(model.stem_names)]
    for stage, blocks in network.stages:
        names += [[f"{stage}.{name}" for name, _ in piece] for piece in split(blocks)]
    return [*names, []]


def _run(modules: Sequence[nn.Module]) -> nn.Module:
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules).eval()
