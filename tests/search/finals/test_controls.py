"""Controls: the winner's trunk, a plain one of its cost, and what came first."""

from __future__ import annotations

from dataclasses import asdict

from se_nas import Architecture, Space, choice, maximize, minimize, trunk
from se_nas.cost.network_cost import cost
from se_nas.latency.table import TimedCost
from se_nas.search.finals.controls import (
    FIRST,
    control_architectures,
    early_best,
)
from se_nas.search.study.random_draws import plain_trunks
from se_nas.search.study.records import Outcome, Record


def test_the_controls_have_the_winners_trunk() -> None:
    found = dict(control_architectures(Architecture.parse("se_resnet8_small-width8_s3_r4_max")))
    assert str(found["no SE"]) == "resnet8_small-width8"
    assert str(found["SE r16"]) == "se_resnet8_small-width8_r16"


SPACE = Space("s", trunk=trunk("resnet8_small", width=choice(8, 9, 12, 16)), se=None)


def timed(architecture: Architecture) -> TimedCost:
    """SE takes ten times what a channel does."""
    latency = cost(architecture).params / 1e4 + 10 * sum(map(bool, architecture.se))
    return TimedCost(**asdict(cost(architecture)), latency_ms=latency)


def test_a_plain_trunk_costs_no_more_than_the_winner() -> None:
    trunks = plain_trunks(SPACE)
    assert len(trunks) == 4
    winner = Architecture.parse("se_resnet8_small-width8_r2")

    def plain(price: object) -> str | None:
        found = dict(control_architectures(winner, trunks, price))  # type: ignore[arg-type]
        return str(found["plain trunk"]) if "plain trunk" in found else None

    assert plain(cost) is None, "SE has few MACs: no trunk is between"
    assert plain(timed) == "resnet8_small"


def outcome(value: float) -> Outcome:
    return Outcome("complete", {"val_acc": value, "val_loss": value}, 8)


def test_the_best_of_the_first_networks_is_by_the_objective() -> None:
    names = [f"resnet8_small-width{8 + i}" for i in range(FIRST + 2)]
    trials = [
        Record(i, "ended", architecture=Architecture.parse(name).to_json(), outcome=outcome(value))
        for i, (name, value) in enumerate(zip(names, [5, 1, 9, 3, 4, 2, 6, 7, 8, 0, 99, -99],
                                              strict=True))
    ]  # fmt: skip
    assert str(early_best(trials, maximize("val_acc"))) == "resnet8_small-width10"
    assert str(early_best(trials, minimize("val_loss"))) == "resnet8_small-width17"
    assert early_best(trials[:FIRST], maximize("val_acc")) is None, "the search was no longer"
    stopped = [Record(i, "ended", outcome=Outcome("stopped_early", {}, 4)) for i in range(FIRST)]
    assert early_best([*stopped, *trials], maximize("val_acc")) is None
    controls = control_architectures(Architecture("resnet18"), early=Architecture("resnet34"))
    assert str(dict(controls)["early best"]) == "resnet34"
