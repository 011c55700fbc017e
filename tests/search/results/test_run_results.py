"""What a search ranks: complete, feasible trials, and of several objectives the Pareto front."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from se_nas import SE, Space, choice, maximize, minimize, optional, per_stage
from se_nas.search.study.ranking import decisive, ranking
from se_nas.space.objectives import Objective

BLOCKS = per_stage(optional(SE(reduction=choice(2, 4, 8))))
NETWORKS = [*Space("s", trunk="resnet8_small", se=BLOCKS)][:20]


def space(*objectives: Objective) -> Space:
    return Space("s", trunk="resnet8_small", se=BLOCKS, objectives=objectives)


class Told:
    """A study made by hand; trial i is of network i."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.study = optuna.create_study(directions=[o.direction for o in space.objectives])

    def tell(
        self,
        *values: float,
        state: TrialState = TrialState.COMPLETE,
        trained: bool = True,
        **constraints: float,
    ) -> None:
        network = NETWORKS[len(self.study.trials)]
        self.study.add_trial(
            create_trial(
                state=state,
                values=values or None,
                user_attrs={"architecture": network.to_json()} if trained else {},
                constraints=constraints or None,
            )
        )

    def ranked(self) -> list[tuple[int, list[float]]]:
        found = ranking(self.study, self.space)
        return [(NETWORKS.index(architecture), values) for architecture, values in found]


def test_of_one_objective_every_complete_feasible_trial_is_ranked() -> None:
    told = Told(space(maximize("val_acc")))
    told.tell(0.5)
    told.tell(0.9, params=0.0)
    told.tell(0.99, params=1.0)  # infeasible
    told.tell(0.7, params=-3.0, macs=0.0)
    told.tell(0.98, params=-3.0, macs=2.0)  # infeasible
    told.tell(0.97, state=TrialState.PRUNED)
    told.tell(state=TrialState.FAIL)
    told.tell(0.96, trained=False)
    told.tell(0.7)  # as good as an earlier one
    told.tell(state=TrialState.RUNNING)
    assert told.ranked() == [(1, [0.9]), (3, [0.7]), (8, [0.7]), (0, [0.5])]


def test_the_smallest_loss_is_the_best() -> None:
    told = Told(space(minimize("val_loss")))
    for loss in (0.5, 0.1, 0.3):
        told.tell(loss)
    assert told.ranked() == [(1, [0.1]), (2, [0.3]), (0, [0.5])]


@pytest.mark.parametrize("constrained", [False, True])
def test_of_two_objectives_the_front_is_ranked_by_the_one_that_is_trained(
    constrained: bool,
) -> None:
    told = Told(space(minimize("params"), maximize("val_acc")))
    kept = {"params": -1.0} if constrained else {}
    told.tell(300, 0.8, **kept)
    told.tell(100, 0.5, **kept)
    told.tell(200, 0.7, **kept)
    told.tell(400, 0.8, **kept)  # heavier, as accurate: dominated
    told.tell(200, 0.6, **kept)  # as heavy, less accurate: dominated
    told.tell(250, 0.65, **kept)  # dominated in both
    told.tell(200, 0.7, **kept)  # equal in both: on the front beside the other
    told.tell(900, 0.9, **kept)
    told.tell(150, 0.6, **kept)
    front = [(7, [900, 0.9]), (0, [300, 0.8]), (2, [200, 0.7]), (6, [200, 0.7])]
    front += [(8, [150, 0.6]), (1, [100, 0.5])]
    assert told.ranked() == front
    told.tell(state=TrialState.RUNNING)
    told.tell(state=TrialState.FAIL)
    told.tell(state=TrialState.PRUNED, **kept)  # a repeat
    assert told.ranked() == front
    told.tell(1, 0.99, params=1.0)  # infeasible, and better than all
    told.tell(1, 0.99, memory=1.0, **kept)
    assert told.ranked() == front


def test_a_network_out_of_memory_does_not_take_the_front_from_a_space_without_limits() -> None:
    told = Told(space(maximize("val_acc"), minimize("macs")))
    told.tell(0.5, 10)
    told.tell(0.7, 20)
    told.tell(0.6, 30)
    told.tell(state=TrialState.PRUNED, memory=1.0)
    assert told.ranked() == [(1, [0.7, 20]), (0, [0.5, 10])]


def test_a_front_without_a_trained_objective_is_ranked_by_its_first() -> None:
    objectives = minimize("macs"), minimize("params")
    told = Told(space(*objectives))
    told.tell(3, 1)
    told.tell(1, 3)
    told.tell(2, 2)
    told.tell(3, 3)
    assert told.ranked() == [(1, [1, 3]), (2, [2, 2]), (0, [3, 1])]
    assert decisive(space(*objectives)) == 0
    assert decisive(space(*objectives, minimize("val_loss"))) == 2
