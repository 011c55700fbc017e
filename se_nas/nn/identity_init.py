"""Function-preserving starts: SE blocks that at first compute as if they were not there."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import nn

from se_nas.gates import GATES
from se_nas.nn.neighbours import neighbours
from se_nas.nn.squeeze_excitation import SqueezeExcitation


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
        biases their gates start at 0.95; without, or where a gate has no such logit, they stay as
        they were.
    """
    left = without_identity(model, blocks)
    with torch.no_grad():
        for name, se, before, after in neighbours(model):
            if not (blocks is None or name in blocks):
                continue
            if name in left:
                nearly_open = GATES[se.gate].nearly_open
                if se.fc2.bias is not None and nearly_open is not None:
                    se.fc2.weight.zero_()
                    se.fc2.bias.fill_(nearly_open)
                continue
            gain = set_neutral(se)
            if gain == 1:
                continue
            for layer in before or after:
                layer.weight.mul_(gain)
                if before and layer.bias is not None:
                    layer.bias.mul_(gain)
    return left


def without_identity(model: nn.Module, blocks: Collection[str] | None = None) -> list[str]:
    """Names of the SE blocks that ``init_identity`` cannot start as identities.

    These are tanh or relu gates without biases, gates that have no neutral logit, and places whose
    neighbours cannot be scaled (``post``, ``identity`` without projection, ``pre`` of
    pre-activation blocks).
    """
    return [
        name
        for name, se, before, after in neighbours(model)
        if not can_start_neutral(se, scalable=bool(before or after))
        and (blocks is None or name in blocks)
    ]


def can_start_neutral(se: SqueezeExcitation, scalable: bool) -> bool:
    """Whether the block can start as if it were not there.

    Args:
        scalable: whether a layer beside it can take the gain of the gate's neutral logit.
    """
    neutral = GATES[se.gate].neutral
    if neutral is None:
        return False
    gain, logit = neutral
    return (logit == 0 or se.fc2.bias is not None) and (gain == 1 or scalable)


@torch.no_grad()
def set_neutral(se: SqueezeExcitation) -> float:
    """Hold the block's gate at 1 / gain, whatever it is shown, and return the gain."""
    neutral = GATES[se.gate].neutral
    assert neutral is not None, "asked before: can_start_neutral"
    gain, logit = neutral
    se.fc2.weight.zero_()
    if se.fc2.bias is not None:
        se.fc2.bias.fill_(logit)
    return gain
