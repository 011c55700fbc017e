"""Effects: what each choice of a space is worth, and what it costs.

An effect is a change made to networks of the space, all else equal: stage 4's SE taken out, the
gate of all stages replaced. Its worth is the average over those networks, by what the trials of a
search show (``contrasts``); its price is the average of exact differences in cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, TypeAlias

from se_nas.additive.contrasts import Contrasts, Estimate
from se_nas.additive.features import of_architecture
from se_nas.additive.model import Features
from se_nas.architecture.architecture import Architecture
from se_nas.architecture.names import trunk_name
from se_nas.cost.network_cost import Price
from se_nas.errors import InputError
from se_nas.se import SE

Pair: TypeAlias = tuple[Architecture, Architecture]  # before and after a change
FIELDS = ("reduction", "placement", "squeeze", "gate", "bias")
MOST_TRUNKS = 8  # compared one by one
MOST_PAIRS = 64  # of which a worth is the average


@dataclass(frozen=True)
class Change:
    """One choice, made otherwise in several networks.

    Attributes:
        choice: ``SE in stage 4``, ``gate``, ``reduction in stage 4``, ``trunk``.
        option, against: what is chosen, and instead of what; ``SE`` against ``none``.
        stages: of SE that is put in or changed; empty for the trunk.
        pairs: the networks before and after it.
    """

    choice: str
    option: str
    against: str
    stages: tuple[int, ...]
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Effect:
    """What a change is worth and costs, on average over networks.

    Attributes:
        worth: positive for the better, in the unit of the model's values.
        params, macs: more of them, with the change.
        latency_ms: more milliseconds; None where the price has none.
    """

    change: Change
    worth: Estimate
    params: float
    macs: float
    latency_ms: float | None

    @property
    def puts_in(self) -> bool:
        """Whether it is SE against none."""
        return self.change.against == "none"


def effects(changes: Sequence[Change], contrasts: Contrasts, price: Price) -> list[Effect]:
    """Return the effects of changes, in their order."""
    found: list[Effect] = []
    for change in changes:
        costs = [(price(before), price(after)) for before, after in change.pairs]

        def mean(name: str, costs: Any = costs) -> float:
            return fmean(getattr(after, name) - getattr(before, name) for before, after in costs)

        timed = hasattr(costs[0][0], "latency_ms")
        found.append(
            Effect(
                change,
                worth([change], contrasts),
                mean("params"),
                mean("macs"),
                mean("latency_ms") if timed else None,
            )
        )
    return found


def worth(changes: Sequence[Change], contrasts: Contrasts) -> Estimate:
    """Return what several changes are worth together."""
    networks: list[Features] = []
    weights: list[float] = []
    for change in changes:
        pairs = change.pairs[:MOST_PAIRS]
        for before, after in pairs:
            networks += [of_architecture(before), of_architecture(after)]
            weights += [-1 / len(pairs), 1 / len(pairs)]
    return contrasts.of(networks, weights)


def changes_of(networks: Sequence[Architecture]) -> list[Change]:
    """Return the choices by which networks differ, as changes of them.

    SE of each stage comes first, then its settings in all stages and in each, then trunks. A
    setting is compared with the default of ``SE`` if networks have that.

    >>> [a, b] = Architecture("resnet8_small", SE(4)), Architecture("resnet8_small")
    >>> [(change.choice, change.option, change.against) for change in changes_of([a, b])]
    [('SE in stages 2, 3 and 4', 'SE', 'none')]
    """
    families = {network.trunk.family for network in networks}
    found: list[Change] = []
    for family in sorted(families):
        own = [network for network in networks if network.trunk.family == family]
        suffix = f" of {family}" if len(families) > 1 else ""
        found += _of_presence(own, suffix)
    for field in FIELDS:
        found += _of_field(networks, field, None, "")
        for family in sorted(families):
            own = [network for network in networks if network.trunk.family == family]
            suffix = f" of {family}" if len(families) > 1 else ""
            for stage in own[0].trunk.stages if _is_free(own, field) else ():
                found += _of_field(own, field, stage, suffix)
    return [*found, *_of_trunks(networks)]


def in_words(stages: Sequence[int]) -> str:
    """Write ``stage 2``, or ``stages 2, 3 and 4``."""
    numbers = [str(stage) for stage in stages]
    if len(numbers) == 1:
        return f"stage {numbers[0]}"
    return f"stages {', '.join(numbers[:-1])} and {numbers[-1]}"


def _of_presence(networks: Sequence[Architecture], suffix: str) -> Iterator[Change]:
    """Yield SE against none; stages that always have it together are one choice."""
    together: dict[tuple[bool, ...], list[int]] = {}
    for stage in networks[0].trunk.stages:
        present = tuple(network.stages.get(stage) is not None for network in networks)
        if len(set(present)) == 2:
            together.setdefault(present, []).append(stage)
    for present, stages in together.items():
        pairs = tuple(
            (_with_se(network, dict.fromkeys(stages)), network)
            for network, there in zip(networks, present, strict=True)
            if there
        )
        yield Change(f"SE in {in_words(stages)}{suffix}", "SE", "none", tuple(stages), pairs)


def _is_free(networks: Sequence[Architecture], field: str) -> bool:
    """Return whether stages of one network may differ in a field."""
    found = ({getattr(se, field) for se in network.se if se} for network in networks)
    return any(len(values) > 1 for values in found)


def _of_field(
    networks: Sequence[Architecture], field: str, stage: int | None, suffix: str
) -> Iterator[Change]:
    """Yield a setting's values against the usual one, in one stage or in all that have SE."""

    def changed(network: Architecture, value: object) -> Architecture:
        setting: Any = {field: value}
        return _with_se(network, {n: replace(se, **setting) for n, se in stages_of(network)})

    def stages_of(network: Architecture) -> Iterator[tuple[int, SE]]:
        for number, se in network.stages.items():
            if se is not None and stage in (None, number):
                yield number, se

    values = {getattr(se, field) for network in networks for _, se in stages_of(network)}
    if len(values) < 2:
        return
    usual = getattr(SE(), field)
    base = usual if usual in values else max(values)
    where = "" if stage is None else f" in stage {stage}{suffix}"
    numbers = sorted({number for network in networks for number, _ in stages_of(network)})
    for value in sorted(values - {base}):
        pairs = tuple(_valid(networks, changed, base, value))
        pairs = tuple(pair for pair in pairs if pair[0] != pair[1])
        if pairs:
            yield Change(f"{field}{where}", str(value), str(base), tuple(numbers), pairs)


def _of_trunks(networks: Sequence[Architecture]) -> Iterator[Change]:
    """Yield trunks against the one of the least name, with the same SE where they have stages."""
    trunks = {trunk_name(network.trunk): network.trunk for network in networks}
    if not 1 < len(trunks) <= MOST_TRUNKS:
        return
    base, *others = sorted(trunks, key=lambda name: (len(name), name))

    def changed(network: Architecture, name: object) -> Architecture:
        return Architecture(trunks[str(name)], network.se)

    for name in others:
        pairs = list(_valid(networks, changed, base, name))
        if not pairs:  # of other stages: the averages of what there is
            groups = ([n for n in networks if trunk_name(n.trunk) == t] for t in (base, name))
            pairs = list(zip(*groups, strict=False))
        yield Change("trunk", name, base, (), tuple(pairs))


def _valid(
    networks: Sequence[Architecture],
    changed: Callable[[Architecture, object], Architecture],
    before: object,
    after: object,
) -> Iterator[Pair]:
    """Yield the pairs of networks that both exist: not every trunk has every placement."""
    for network in networks:
        try:
            yield changed(network, before), changed(network, after)
        except InputError:
            continue


def _with_se(network: Architecture, changed: dict[int, SE | None]) -> Architecture:
    return Architecture(network.trunk, tuple((network.stages | changed).values()))
