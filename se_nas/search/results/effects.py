"""Effects of a search: what its trials tell about each choice, as values, rows and sentences."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from se_nas.additive.advice import advice
from se_nas.additive.candidates import at_random
from se_nas.additive.contrasts import Contrasts, Estimate
from se_nas.additive.effects import Effect, changes_of, effects
from se_nas.additive.features import of_architecture
from se_nas.additive.model import Features
from se_nas.architecture.architecture import Architecture
from se_nas.console import add_row, print_line, print_table
from se_nas.cost.network_cost import Price
from se_nas.search.config import SearchConfig
from se_nas.search.finals.verdict import Believed
from se_nas.search.study.known_trials import RUNG
from se_nas.search.study.ranking import training_objective
from se_nas.search.study.records import Record
from se_nas.search.worker.reports import End
from se_nas.space.objectives import SHARES
from se_nas.space.space import Space

ANCHORS = 50  # complete trials, whose mean tells what a network's value is
NETWORKS, DRAWS = 128, 2000  # of which effects are averages; drawn at most
LEAST_TRIALS = 6
ROWS = 12  # in the terminal
STOPPED: End = "stopped_early"
TOLD: tuple[End, ...] = ("complete", STOPPED)


@dataclass(frozen=True)
class ChoiceEffect:
    """What a choice is worth and costs, on average over networks of the space.

    Attributes:
        choice: ``SE in stage 4``, ``gate``, ``reduction in stage 4``, ``trunk``.
        option, against: what is chosen, and instead of what.
        worth, low, high: with an interval of 95 %, larger for the better.
        unit: of these: ``points`` of accuracy, or ``of val_loss`` where that is sought.
        params, macs: more of them.
        latency_ms: more milliseconds, None without a latency table.
    """

    choice: str
    option: str
    against: str
    worth: float
    low: float
    high: float
    unit: str
    params: float
    macs: float
    latency_ms: float | None

    @property
    def is_told(self) -> bool:
        """Whether the interval has no 0 in it."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Answer:
    """What a search found out about its choices.

    Attributes:
        believed: what its trials tell of two networks, in points; None if read back from a run, or
            if it is not of accuracy.
        at_random: what trials of some random networks would give, in the objective's own unit:
            each one's likeliest value, and the noise of a seed.
    """

    effects: tuple[ChoiceEffect, ...]
    advice: str
    believed: Believed | None = None
    at_random: tuple[tuple[float, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "effects": [asdict(e) for e in self.effects],
            "advice": self.advice,
            "at_random": self.at_random,
        }


def answer(trials: Iterable[Record], space: Space, price: Price) -> Answer | None:
    """Return what trials tell; None if they are too few, or the space has one network."""
    networks, values = _observed(trials, space)
    references = _references(space, price)
    changes = changes_of(references)
    if len(values) < LEAST_TRIALS or not changes:
        return None
    is_accuracy = training_objective(space).metric in SHARES
    unit = "points" if is_accuracy else "of val_loss"
    scale = 100 if is_accuracy else 1
    contrasts = Contrasts(networks, [scale * value for value in values])
    found = effects(changes, contrasts, price)

    def show(estimate: Estimate) -> str:
        return f"{estimate.value:+.2f} ± {estimate.half:.2f} {unit}"

    def believed(one: Architecture, other: Architecture) -> Estimate:
        return contrasts.of([of_architecture(one), of_architecture(other)], [1.0, -1.0])

    return Answer(
        tuple(_of(effect, unit) for effect in found),
        advice(found, contrasts, show),
        believed if is_accuracy else None,
        tuple(
            (sign(space) * mean / scale, deviation / scale)
            for mean, deviation in _predicted(references, contrasts, networks, scale, values)
        ),
    )


def sign(space: Space) -> int:
    """Return 1 where larger values are better, else -1."""
    return 1 if training_objective(space).direction == "maximize" else -1


def _predicted(
    references: Sequence[Architecture],
    contrasts: Contrasts,
    networks: Sequence[Features],
    scale: float,
    values: Sequence[float],
) -> Iterator[tuple[float, float]]:
    """Yield mean and deviation of a new trial of each network, trained to its end."""
    whole = [i for i, f in enumerate(networks) if not any(name == RUNG for name, _ in f)]
    anchors = whole[:: max(1, -(-len(whole) // ANCHORS))]
    if not anchors:
        return
    middle = scale * sum(values[i] for i in anchors) / len(anchors)
    known = [networks[i] for i in anchors]
    share = [-1 / len(anchors)] * len(anchors)
    for reference in references:
        found = contrasts.of([of_architecture(reference), *known], [1.0, *share])
        # What is not known of a network is not drawn: the errors of all have the same causes, and
        # as if they had not, the best of many would be too good.
        yield middle + found.value, contrasts.noise


def believed_of(found: Answer | None, config: SearchConfig) -> Believed | None:
    """Return what trials tell of two networks, if the finals have as many epochs as they."""
    if found is None or config.final_epochs not in (None, config.epochs):
        return None
    return found.believed


def show_answer(console: Console, found: Answer) -> None:
    """Print the effects that matter most, and the advice."""
    rows = _most_told(found.effects)
    timed = any(effect.latency_ms is not None for effect in rows)
    columns = (f"{rows[0].unit} (95 %)", "params", "MMACs", *(["ms"] if timed else []))
    print_line(console, "")
    print_line(console, "what each choice is worth, on average over the space's networks")
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=True)
    table.add_column("choice")
    for head in columns:
        table.add_column(head, justify="right", no_wrap=True)
    for effect in rows:
        name = effect.choice
        if effect.against != "none":
            name += f" {effect.option} against {effect.against}"
        half = (effect.high - effect.low) / 2
        time = [] if effect.latency_ms is None else [f"{effect.latency_ms:+.3f}"]
        add_row(
            table,
            name,
            f"{effect.worth:+.2f} ± {half:.2f}",
            f"{effect.params:+,.0f}",
            _signed(effect.macs / 1e6),
            *time,
            style="bold" if effect.is_told else "",
        )
    print_table(console, table)
    more = len(found.effects) - len(rows)
    if more:
        print_line(console, f"{more} more, of single stages, are in results.json")
    print_line(console, found.advice)


def _signed(amount: float) -> str:
    return f"{amount:+,.2f}" if abs(amount) >= 1 else f"{amount:+.4f}"


def _most_told(effects: Sequence[ChoiceEffect]) -> list[ChoiceEffect]:
    """Return SE by stage, settings and trunks, without settings of single stages; not too many."""
    rows = [e for e in effects if e.against == "none" or " in stage" not in e.choice]
    if len(rows) <= ROWS:
        return rows
    kept = sorted(rows, key=lambda e: -abs(e.worth) / max(e.high - e.low, 1e-9))[:ROWS]
    return [effect for effect in rows if effect in kept]


def _of(effect: Effect, unit: str) -> ChoiceEffect:
    change, worth = effect.change, effect.worth
    return ChoiceEffect(
        change.choice,
        change.option,
        change.against,
        worth.value,
        worth.low,
        worth.high,
        unit,
        effect.params,
        effect.macs,
        effect.latency_ms,
    )


def _observed(trials: Iterable[Record], space: Space) -> tuple[list[Features], list[float]]:
    """Return the features and values of the trials that trained, larger for the better.

    One that was stopped counts with its last value, and when it was stopped is a feature of it.
    """
    objective = training_objective(space)
    networks: list[Features] = []
    values: list[float] = []
    for record in trials:
        outcome = record.outcome
        if record.state != "ended" or outcome is None or outcome.end not in TOLD:
            continue
        value = outcome.metrics.get(objective.metric, math.nan)
        if not math.isfinite(value):
            continue
        features = of_architecture(Architecture.from_json(record.architecture))
        if outcome.end == STOPPED:
            features = features | {(RUNG, str(outcome.epochs)): 1.0}
        networks.append(features)
        values.append(sign(space) * value)
    return networks, values


def _references(space: Space, price: Price) -> list[Architecture]:
    """Return networks of a space that keep its constraints, drawn at random."""
    rng, found = random.Random(0), dict[str, Architecture]()
    for _ in range(DRAWS):
        architecture = at_random(space.draw, rng).value
        if architecture.id not in found and space.admits(price(architecture)):
            found[architecture.id] = architecture
        if len(found) == NETWORKS:
            break
    return list(found.values())
