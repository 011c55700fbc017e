"""Which networks are timed, and what becomes of the times: with a made-up device."""

from __future__ import annotations

from typing import Any

import pytest

from se_nas import SE, InputError, Space, choice, optional, per_stage, trunk
from se_nas.architecture.architecture import Architecture
from se_nas.latency import measure_missing
from se_nas.latency.blocks import Block, blocks
from se_nas.latency.cover import cover, draw_held_out
from se_nas.latency.settings import Signature
from se_nas.latency.table import Latency, LatencyTable, Measurements, Profile

SIGNATURE = Signature(32, 3, 10)
SPACE = Space(
    "small",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4, 8), squeeze=choice("avg", "max")))),
)


class Device:
    """A block takes its MACs and parameters, a whole a quarter more than its blocks.

    The n-th measurement is slower by ``noise[n]``.
    """

    def __init__(self, noise: list[float] | None = None, too_large: int | None = None) -> None:
        self.noise, self.too_large = list(noise or []), too_large
        self.profiled: list[str] = []
        self.measured: list[str] = []

    def identity(self) -> dict[str, Any]:
        return {"device": "made up"}

    def ms(self, block: Block) -> float:
        return 1e-3 + block.macs / 1e6 + block.params / 1e5

    def _slower(self) -> float:
        return self.noise.pop(0) if self.noise else 1.0

    def measure(self, architecture: Architecture) -> Latency | None:
        self.measured.append(architecture.id)
        return Latency.of([self.total(architecture) * self._slower()])

    def total(self, architecture: Architecture) -> float:
        return 1.25 * sum(map(self.ms, blocks(architecture, SIGNATURE)))

    def profile(self, architecture: Architecture) -> Profile | None:
        self.profiled.append(architecture.id)
        found = blocks(architecture, SIGNATURE)
        if self.too_large is not None and sum(b.params for b in found) > self.too_large:
            return None
        slower = self._slower()
        whole = self.total(architecture) * slower
        return Profile(tuple(self.ms(block) * slower for block in found), whole)


def known_keys(networks: list[Architecture], signature: Signature = SIGNATURE) -> set[str]:
    return {block.key for a in networks for block in blocks(a, signature)}


def test_the_table_of_an_additive_device_is_exact() -> None:
    device, known = Device(), Measurements()
    networks = cover(SPACE, SIGNATURE, 400)
    held_out = draw_held_out(SPACE, 10, networks)
    measure_missing.measure_missing(device, SIGNATURE, known, profiles=networks, wholes=held_out)
    compared = measure_missing.compare(LatencyTable(known, SIGNATURE), held_out, known)
    assert len(compared) == 10
    report = measure_missing.report(compared)
    assert report["max_error"] == pytest.approx(0, abs=1e-9)
    assert report["kendall_tau"] == pytest.approx(1)
    assert not {a.id for a in held_out} & {a.id for a in networks}


def test_a_slow_sweep_is_outvoted() -> None:
    networks = cover(SPACE, SIGNATURE, 400)
    held_out = draw_held_out(SPACE, 10, networks)
    jobs = len(networks) + len(held_out)
    device, known = Device([1.0] * jobs + [5.0] * jobs + [1.0] * jobs), Measurements()
    measure_missing.measure_missing(
        device, SIGNATURE, known, profiles=networks, wholes=held_out, sweeps=3
    )
    report = measure_missing.report(
        measure_missing.compare(LatencyTable(known, SIGNATURE), held_out, known)
    )
    assert report["max_error"] == pytest.approx(0, abs=1e-9)


def test_what_is_known_is_not_measured_again() -> None:
    networks = cover(SPACE, SIGNATURE, 400)
    known = Measurements()
    measure_missing.measure_missing(
        Device(), SIGNATURE, known, profiles=networks[:4], wholes=networks[-1:]
    )
    before = dict(known.blocks)
    device = Device([9.0] * 1000)
    progress: list[tuple[int, int]] = []
    measure_missing.measure_missing(
        device,
        SIGNATURE,
        known,
        profiles=networks,
        wholes=networks[-1:],
        sweeps=2,
        on_done=lambda done, total: progress.append((done, total)),
    )
    assert set(device.profiled) == {a.id for a in networks[4:]}
    assert device.measured == []
    assert {key: known.blocks[key] for key in before} == before
    assert progress[-1] == (len(progress),) * 2 == (2 * len(networks) - 8,) * 2
    measure_missing.measure_missing(
        device, SIGNATURE, known, profiles=networks, on_done=pytest.fail
    )  # type: ignore[arg-type]


def test_a_network_that_does_not_fit_leaves_its_blocks_to_estimates() -> None:
    networks = cover(SPACE, SIGNATURE, 400)
    sizes = sorted(sum(b.params for b in blocks(a, SIGNATURE)) for a in networks)
    known = Measurements()
    measure_missing.measure_missing(
        Device(too_large=sizes[-2]), SIGNATURE, known, profiles=networks
    )
    assert 0 < len(known.blocks) < len(known_keys(networks))
    assert LatencyTable(known, SIGNATURE).predict(networks[-1]) > 0
    with pytest.raises(InputError, match="fits into the device's memory"):
        measure_missing.measure_missing(
            Device(too_large=1), SIGNATURE, Measurements(), profiles=networks
        )


def test_the_part_of_a_cache_that_a_run_needs() -> None:
    networks = cover(SPACE, SIGNATURE, 400)
    known = Measurements()
    measure_missing.measure_missing(
        Device(), SIGNATURE, known, profiles=networks, wholes=networks[:3]
    )
    part = measure_missing.restricted_to(known, networks[:1], SIGNATURE)
    assert set(part.blocks) == known_keys(networks[:1])
    assert len(part.profiled) == len(part.networks) == 1


def test_an_order_needs_two_values() -> None:
    one = measure_missing.HeldOut("a", 1.5, Latency(1.0, 1.0, 1.0))
    assert one.error == pytest.approx(0.5)
    assert measure_missing.report([one])["kendall_tau"] is None
    assert measure_missing.report([])["median_error"] is None
    other = measure_missing.HeldOut("b", 1.0, Latency(2.0, 2.0, 2.0))
    assert measure_missing.report([one, other])["kendall_tau"] == pytest.approx(-1)
