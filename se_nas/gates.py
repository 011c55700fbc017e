"""The gates of an SE block, its excitation nonlinearities: one entry of ``GATES`` for each.

Names, JSON, costs, ids, modules and starts as identities follow from the entry.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gate:
    """The excitation nonlinearity: from the second FC layer's logits to the factors.

    Attributes:
        function: dotted path of a function, element by element.
        token: what names say of it; empty for the default.
        held: elements that it holds at its peak for each of its input, beside that: 1 for a single
            operation.
        neutral: (gain, logit) where it gives exactly 1 / gain, so that a block can start as if it
            were not there; None if it never does. A logit other than 0 needs the FC bias.
        nearly_open: the logit where it gives 0.95, still with a gradient, for blocks that cannot
            start so; None leaves them as they are.
    """

    function: str
    token: str
    held: int = 1
    neutral: tuple[float, float] | None = None
    nearly_open: float | None = None


GATES: dict[str, Gate] = {
    "sigmoid": Gate("torch.sigmoid", token="", neutral=(2.0, 0.0), nearly_open=2.944),
    "tanh": Gate("torch.tanh", token="tanh", neutral=(2.0, 0.5493061443340549), nearly_open=1.832),
    "relu": Gate("torch.relu", token="relu", neutral=(1.0, 1.0)),
    "hard_sigmoid": Gate(
        "torch.nn.functional.hardsigmoid", token="hsigmoid", neutral=(2.0, 0.0), nearly_open=2.7
    ),
    "two_sigmoid": Gate(
        "se_nas.nn.squeeze_excitation.two_sigmoid", token="2sigmoid", held=2, neutral=(1.0, 0.0)
    ),
}
