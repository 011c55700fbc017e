"""Samplers by name, or any of Optuna's kind by its import path."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from se_nas.errors import InputError
from se_nas.search.study.additive_sampler import AdditiveSampler
from se_nas.texts import first_line

Sampler: TypeAlias = BaseSampler


def _part(trials: int, share: int, least: int, most: int) -> int:
    return max(least, min(most, trials // share))


# Samplers learn from a share of the budget's trials: their defaults (10 random trials, populations
# of 50) are most of a small search. ``benchmarks/search_statistics.py --tpe`` compares TPE's
# settings.
BUILD_SAMPLER: dict[str, Callable[[int, int], BaseSampler]] = {
    "additive": lambda seed, trials: AdditiveSampler(seed=seed, startup=_part(trials, 4, 5, 12)),
    "tpe": lambda seed, trials: TPESampler(
        seed=seed,
        n_startup_trials=_part(trials, 4, 5, 10),
        multivariate=True,
        constant_liar=True,
    ),
    "random": lambda seed, _: RandomSampler(seed=seed),
    "nsga2": lambda seed, trials: NSGAIISampler(seed=seed, population_size=_part(trials, 5, 4, 50)),
    "grid": lambda seed, _: RandomSampler(seed=seed),  # never asked: the grid is proposed in order
}


def build_sampler(name: str, seed: int, trials: int) -> BaseSampler:
    """Build the sampler of a name in ``BUILD_SAMPLER``, or of an import path.

    Args:
        name: ``tpe``, or ``optuna.samplers.CmaEsSampler``, or ``my.module:Sampler``.
        seed: given to the sampler if it takes one.
        trials: of the search; samplers by name fit their start to it.

    Raises:
        InputError: nothing is there, it is no sampler, or it cannot be made without arguments.
    """
    if name in BUILD_SAMPLER:
        return BUILD_SAMPLER[name](seed, trials)
    found = _load(name)
    if not (inspect.isclass(found) and issubclass(found, BaseSampler)):
        raise InputError(f"sampler {name!r} is no subclass of optuna.samplers.BaseSampler")
    seeded = {"seed": seed} if "seed" in inspect.signature(found).parameters else {}
    try:
        with warnings.catch_warnings():
            # Who names a sampler wants it, experimental or not.
            warnings.simplefilter("ignore", ExperimentalWarning)
            return found(**seeded)
    except Exception as error:  # missing packages, missing arguments: whatever it raises
        raise InputError(f"sampler {name!r} cannot be made: {first_line(error)}") from None


def _load(name: str) -> Any:
    module, _, attribute = name.partition(":") if ":" in name else name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except AttributeError:
        raise InputError(f"sampler {name!r}: module {module!r} has no {attribute!r}") from None
    except Exception as error:  # importing runs the user's code
        raise InputError(
            f"sampler {name!r} cannot be imported: {first_line(error)}; give "
            f"{', '.join(BUILD_SAMPLER)} or an import path such as optuna.samplers.GPSampler"
        ) from None
