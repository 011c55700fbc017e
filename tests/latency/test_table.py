"""Sums over blocks, and what stands in for a block that was not measured."""

from __future__ import annotations

import json
import math

import pytest

from se_nas import SE, Architecture
from se_nas.cost.network_cost import cost
from se_nas.latency.blocks import blocks
from se_nas.latency.settings import Signature
from se_nas.latency.table import (
    Latency,
    LatencyTable,
    Measurements,
    ProfiledNetwork,
    TimedCost,
    network_key,
)

SIGNATURE = Signature(32, 3, 10)


def measurements(*architectures: Architecture, factor: float = 1.0) -> Measurements:
    """Every block takes its parameters, in thousands of a millisecond."""
    found = Measurements()
    for architecture in architectures:
        own = blocks(architecture, SIGNATURE)
        for block in own:
            found.blocks[block.key] = block, block.params / 1000
        whole = factor * sum(block.params for block in own) / 1000
        keys = tuple(block.key for block in own)
        found.profiled[network_key(architecture, SIGNATURE)] = ProfiledNetwork(whole, keys)
    return found


def unmeasured(table: LatencyTable, architecture: Architecture) -> int:
    known = table.measurements.blocks
    return sum(block.key not in known for block in blocks(architecture, SIGNATURE))


def small(se: SE | None = None) -> Architecture:
    return Architecture("resnet8_small", se)


def test_a_prediction_is_the_sum_over_the_blocks_times_what_wholes_take_over_such_a_sum() -> None:
    table = LatencyTable(measurements(small(), small(SE(4)), factor=1.1), SIGNATURE)
    mixed = Architecture("resnet8_small", (SE(4), None, SE(4)))
    params = cost(mixed, input_size=32, num_classes=10).params
    assert table.predict(mixed) == pytest.approx(1.1 * params / 1000)
    assert unmeasured(table, mixed) == 0


def test_a_trunk_of_which_enough_is_known_has_a_factor_of_its_own() -> None:
    trunk = Architecture.parse("resnet8_small-width24").trunk
    wide = [Architecture(trunk, se) for se in (None, SE(2), SE(4), SE(8))]
    narrow = [small(), small(SE(4))]
    found = measurements(*narrow, factor=1.5)
    other = measurements(*wide, factor=1.1)
    both = Measurements(found.blocks | other.blocks, found.profiled | other.profiled)
    table = LatencyTable(both, SIGNATURE)
    assert table.factor == pytest.approx(1.1)  # the median of all
    for architecture, factor in ((wide[2], 1.1), (narrow[1], 1.1)):  # two tell too little
        params = cost(architecture, input_size=32, num_classes=10).params
        assert table.predict(architecture) == pytest.approx(factor * params / 1000)
    more = measurements(*narrow, small(SE(2)), small(SE(8)), factor=1.5)
    table = LatencyTable(
        Measurements(more.blocks | other.blocks, more.profiled | other.profiled), SIGNATURE
    )
    for architecture, factor in ((wide[2], 1.1), (narrow[1], 1.5)):
        params = cost(architecture, input_size=32, num_classes=10).params
        assert table.predict(architecture) == pytest.approx(factor * params / 1000)


def test_the_factor_is_that_of_the_same_signature() -> None:
    found = measurements(small(), factor=1.5)
    keys = tuple(found.blocks)
    found.profiled |= {f"other{i}-64px-3-10": ProfiledNetwork(1e6, keys) for i in range(5)}
    assert LatencyTable(found, SIGNATURE).factor == pytest.approx(1.5)
    assert LatencyTable(Measurements(), SIGNATURE).factor == 1


def test_an_unmeasured_block_is_taken_from_its_nearest_relative() -> None:
    known = measurements(small(), small(SE(2)), small(SE(16)))
    table = LatencyTable(known, SIGNATURE)
    assert unmeasured(table, small(SE(8))) == 3
    assert table.predict(small(SE(8))) == pytest.approx(table.predict(small(SE(16))))


def test_se_that_was_not_measured_takes_the_time_of_se_however_few_its_parameters() -> None:
    table = LatencyTable(measurements(small(), small(SE(2)), small(SE(4))), SIGNATURE)
    assert table.predict(small(SE(16))) == table.predict(small(SE(4)))


def test_a_block_without_relatives_is_scaled_by_its_macs() -> None:
    known = Measurements()
    block = blocks(small(), SIGNATURE)[1]
    known.blocks[block.key] = block, 2.0
    table = LatencyTable(known, SIGNATURE)
    found = blocks(small(), SIGNATURE)
    expected = sum(2.0 * (b.macs + 1) / (block.macs + 1) for b in found)
    assert table.predict(small()) == pytest.approx(expected)


def test_a_timed_cost_is_a_cost_with_a_latency() -> None:
    table = LatencyTable(measurements(small()), SIGNATURE)
    plain = cost(small(), input_size=32, num_classes=10)
    timed = table.timed(plain, small())
    assert isinstance(timed, TimedCost)
    assert (timed.params, timed.macs) == (plain.params, plain.macs)
    assert timed.latency_ms == table.predict(small())


def test_quartiles() -> None:
    latency = Latency.of([5, 1, 3, 2, 4])
    assert latency == Latency(3, 2, 4)
    assert latency.spread == pytest.approx(2 / 3)
    assert Latency.of([7.0]) == Latency(7.0, 7.0, 7.0)


def test_json_gives_the_same_measurements() -> None:
    found = measurements(small(), factor=1.1)
    found.networks["x"] = Latency(1.0, 0.5, 2.0)
    assert Measurements.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_a_network_without_its_blocks_is_refused() -> None:
    data = measurements(small()).to_dict()
    data["blocks"].pop()
    with pytest.raises(ValueError, match="lacks a block"):
        Measurements.from_dict(data)


@pytest.mark.parametrize("wrong", [math.nan, -1, "1", None, math.inf])
def test_a_time_that_is_none_is_refused(wrong: object) -> None:
    data = measurements(small()).to_dict()
    data["blocks"][0]["ms"] = wrong
    with pytest.raises(ValueError, match="is no time"):
        Measurements.from_dict(data)
