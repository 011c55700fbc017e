"""What a search says at its end."""

from __future__ import annotations

import pytest

from se_nas import SE, Architecture, data
from se_nas.cost import cost
from se_nas.search.finals import Final, Retrained
from se_nas.search.summary import at_chance


@pytest.mark.parametrize(("val_acc", "said"), [(0.09, True), (0.12, True), (0.2, False)])
def test_a_winner_that_knows_nothing_is_said_to(val_acc: float, said: bool) -> None:
    architecture = Architecture("resnet8_small", SE(16))
    runs = (Retrained("complete", val_acc, 2.3, val_acc),)
    best = Final("best 1", architecture, cost(architecture), val_acc, runs)
    notes = at_chance(best, data.load("digits"))
    assert bool(notes) == said
    if said:
        assert f"{100 * val_acc:.1f} %" in notes[0]
        assert "--epochs" in notes[0]
