"""Advice: the sentences that follow from effects, or that the trials cannot tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from se_nas.additive.contrasts import Contrasts, Estimate
from se_nas.additive.effects import Effect, in_words, worth

MOST_SETTINGS = 3
TOO_MANY = 10  # times as many trials: then none could tell


def advice(found: Sequence[Effect], contrasts: Contrasts, show: Callable[[Estimate], str]) -> str:
    """Return what to do, from the effects of a search, in a few sentences.

    Args:
        show: writes an estimate with its interval and unit.
    """
    places = [effect for effect in found if effect.puts_in]
    sentences = [*_on_places(places, contrasts, show), *_on_settings(found, show)]
    if not sentences:
        return f"{contrasts.trials} trials do not vary any choice, so they tell nothing."
    return " ".join(sentences)


def price_in_words(params: float, macs: float, latency_ms: float | None) -> str:
    """Write the price of a change: ``1,234 parameters and 0.05 MMACs, 0.012 ms``."""
    told = f"{params:,.0f} parameters and {macs / 1e6:,.3g} MMACs"
    return told if latency_ms is None else f"{told}, {latency_ms:.3f} ms"


def more_trials(estimate: Estimate, trials: int) -> int | None:
    """Return how many more trials would tell an effect of this size from 0; None for too many.

    An interval's width falls with the root of the trials.
    """
    if not estimate.value:
        return None
    times = (estimate.half / abs(estimate.value)) ** 2
    return None if times > TOO_MANY else max(1, math.ceil(trials * (times - 1)))


def _on_places(
    places: Sequence[Effect], contrasts: Contrasts, show: Callable[[Estimate], str]
) -> list[str]:
    pays = [effect for effect in places if effect.worth.sign > 0]
    costs = [effect for effect in places if effect.worth.sign < 0]
    open_ = [effect for effect in places if not effect.worth.sign]
    told: list[str] = []
    if pays:
        together = worth([effect.change for effect in pays], contrasts)
        timed = [effect.latency_ms for effect in pays if effect.latency_ms is not None]
        price = price_in_words(
            sum(effect.params for effect in pays),
            sum(effect.macs for effect in pays),
            sum(timed) if timed else None,
        )
        told.append(f"{_names(pays)} is worth {show(together)}, for {price}.")
    if costs:
        each = ", ".join(f"{show(effect.worth)} in {_where(effect)}" for effect in costs)
        told.append(f"SE costs more than it brings: {each}.")
    if open_:
        told.append(_on_open(open_, contrasts.trials, show))
    return told


def _on_open(places: Sequence[Effect], trials: int, show: Callable[[Estimate], str]) -> str:
    largest = max(places, key=lambda effect: abs(effect.worth.value))
    head = f"{trials} trials cannot tell whether {_names(places)} pays"
    size = f"{show(largest.worth)}" + (f" in {_where(largest)}" if len(places) > 1 else "")
    more = more_trials(largest.worth, trials)
    if more is None:
        return f"{head} ({size}); {TOO_MANY} times as many might not either."
    return f"{head} ({size}); about {more} more would, if that is what it is worth."


def _on_settings(found: Sequence[Effect], show: Callable[[Estimate], str]) -> list[str]:
    """Tell the largest effects of settings in all stages, and of trunks, that are told from 0."""
    sure = [
        effect
        for effect in found
        if effect.worth.sign and not effect.puts_in and " in stage" not in effect.change.choice
    ]
    sure.sort(key=lambda effect: -abs(effect.worth.value))
    return [
        f"{effect.change.choice.capitalize()} {effect.change.option} is worth "
        f"{show(effect.worth)} against {effect.change.against}."
        for effect in sure[:MOST_SETTINGS]
    ]


def _names(effects: Sequence[Effect]) -> str:
    """Write ``SE in stages 2 and 4``."""
    families = {effect.change.choice.partition(" of ")[2] for effect in effects}
    if len(families) > 1:
        return "; ".join(effect.change.choice for effect in effects)
    [family] = families
    stages = sorted(stage for effect in effects for stage in effect.change.stages)
    return f"SE in {in_words(stages)}" + (f" of {family}" if family else "")


def _where(effect: Effect) -> str:
    return effect.change.choice.removeprefix("SE in ")
