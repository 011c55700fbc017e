"""Function-preserving starts: SE blocks that at first compute as if they were not there."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import nn

from se_nas.nn.neighbours import neighbours
from se_nas.nn.squeeze_excitation import SqueezeExcitation

# Where a gate gives exactly 1 / gain: (gain, logit). Needs the FC bias if the logit is not 0.
NEUTRAL: dict[str, tuple[float, float]] = {
    "sigmoid": (2.0, 0.0),
    "hard_sigmoid": (2.0, 0.0),
    "two_sigmoid": (1.0, 0.0),
    "relu": (1.0, 1.0),
    "tanh": (2.0, 0.5493061443340549),
}

# Where no exact start is possible: the bias that opens the gate to 0.95, still with a gradient.
NEARLY_OPEN: dict[str, float] = {"sigmoid": 2.944, "hard_sigmoid": 2.7, "tanh": 1.832}


def init_identity(model: nn.Module, blocks: Collection[str] | None = None) -> list[str]:
    """Start the SE blocks of ``model`` as if they were not there, wherever that is possible.

    W₂ becomes 0 and the gate constant; where the constant is ½, the layer before (a batch norm or
    a convolution, also behind a ReLU or pooling) or after (a convolution, or the classifier behind
    the pooling) doubles, in every branch of a concatenation: exact in binary floating point. Short
    trials are otherwise biased against SE, because a fresh sigmoid halves the residual branch.

    Args:
        blocks: names of the SE blocks to start so; all of them if not given.

    Returns:
        Names of the blocks that are not exactly preserving, see ``without_identity``. With FC
        biases their gates start at 0.95; without, they stay as they were.
    """
    left = without_identity(model, blocks)
    with torch.no_grad():
        for name, se, before, after in neighbours(model):
            if not (blocks is None or name in blocks):
                continue
            if name in left:
                if se.fc2.bias is not None:
                    se.fc2.weight.zero_()
                    se.fc2.bias.fill_(NEARLY_OPEN[se.gate])
                continue
            set_neutral(se)
            gain, _ = NEUTRAL[se.gate]
            if gain == 1:
                continue
            for layer in before or after:
                layer.weight.mul_(gain)
                if before and layer.bias is not None:
                    layer.bias.mul_(gain)
    return left


def without_identity(model: nn.Module, blocks: Collection[str] | None = None) -> list[str]:
    """Names of the SE blocks that ``init_identity`` cannot start as identities.

    These are tanh or relu gates without biases, and places whose neighbours cannot be scaled
    (``post``, ``identity`` without projection, ``pre`` of pre-activation blocks).
    """
    left: list[str] = []
    for name, se, before, after in neighbours(model):
        scalable = bool(before or after)
        possible = can_be_neutral(se) and (NEUTRAL[se.gate][0] == 1 or scalable)
        if not possible and (blocks is None or name in blocks):
            left.append(name)
    return left


def can_be_neutral(se: SqueezeExcitation) -> bool:
    """Whether the block's gate can be held at 1 / gain: a logit other than 0 needs the FC bias."""
    return NEUTRAL[se.gate][1] == 0 or se.fc2.bias is not None


@torch.no_grad()
def set_neutral(se: SqueezeExcitation) -> None:
    """Hold the block's gate at 1 / gain, whatever it is shown (``NEUTRAL``)."""
    se.fc2.weight.zero_()
    if se.fc2.bias is not None:
        se.fc2.bias.fill_(NEUTRAL[se.gate][1])
