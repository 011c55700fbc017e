"""Optuna's own views of a study: which parameters matter, and parallel coordinates."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Literal

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

from se_nas.search.study.study import quiet_optuna

LEAST_TRIALS = 10  # of which the best tenth, which PED-ANOVA looks at, is one


def importances(study: optuna.Study) -> list[tuple[str, float]]:
    """Return how much each parameter matters for being among the best, by conditional PED-ANOVA.

    Returns:
        Names and shares that add up to 1, the largest first; none of a study with fewer than ten
        complete trials, or whose trials do not differ.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < LEAST_TRIALS:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
        except (ValueError, RuntimeError, UserWarning):  # all values are alike
            return []
    return [(name, share) for name, share in found.items() if share > 0]


def parallel_coordinates(
    rows: Sequence[tuple[Mapping[str, str], float]],
    direction: Literal["maximize", "minimize"],
    label: str,
) -> str:
    """Return Optuna's plot of parallel coordinates, as plotly's JSON.

    Args:
        rows: the choices of each network, the same names in all of them, and its value.
        direction: ``maximize`` or ``minimize``.
        label: of the axis of values.
    """
    names = [*rows[0][0]]
    options = {name: sorted({choices[name] for choices, _ in rows}) for name in names}
    distributions = {name: CategoricalDistribution(found) for name, found in options.items()}
    with quiet_optuna():
        study = optuna.create_study(direction=direction)
    study.add_trials(
        optuna.create_trial(params=dict(choices), distributions=dict(distributions), value=value)
        for choices, value in rows
    )
    figure = optuna.visualization.plot_parallel_coordinate(study, names, target_name=label)
    return str(figure.to_json())
