"""Error of the additive latency table on networks that it was not made from.

    python benchmarks/latency_table.py [--spaces mobile_se resnet_se] [--size 224] [--held-out 10]
        [--networks 400] [--sweeps 3] [--precision float32] [--channels-last] [--cuda]
        [--backend eager] [--cpu-time] [--rows]

Every block of a space is timed inside whole networks, then random networks of the space are timed
whole; both take turns in every sweep, so that a busy moment hits both. The error is that of the
predicted against the measured medians. Nothing is taken from a cache.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from se_nas.latency import measure_missing
from se_nas.latency.backends import IN_PROCESS
from se_nas.latency.cover import cover, draw_held_out
from se_nas.latency.measure import HOST, Clock, LocalMeasurer, identity
from se_nas.latency.measurers import measurer
from se_nas.latency.settings import BACKENDS, PRECISIONS, LatencySettings, Signature
from se_nas.latency.table import LatencyTable, Measurements
from se_nas.space.space_files import load_space

DESIGN = 1.06  # % median error that the design measured, on one tiny network's space


def one(
    name: str, size: int, settings: LatencySettings, device: str, host: Clock, rows: bool
) -> None:
    """Make the table of a space and print how far it is off."""
    space, signature = load_space(name), Signature(size)
    known = Measurements()
    networks = cover(space, signature, settings.networks)
    held_out = draw_held_out(space, settings.held_out, networks)
    begun = time.perf_counter()
    measure_missing.measure_missing(
        LocalMeasurer(signature, settings, device, host)
        if settings.backend in IN_PROCESS
        else measurer(signature, settings, device),
        signature,
        known,
        profiles=networks,
        wholes=held_out,
        sweeps=settings.sweeps,
    )
    table = LatencyTable(known, signature)
    compared = measure_missing.compare(table, held_out, known)
    figures = measure_missing.report(compared)
    print(
        f"{name:<14}{len(networks):>9}{len(known.blocks):>8}{time.perf_counter() - begun:>8.0f}"
        f"{100 * figures['median_error']:>10.2f}{100 * figures['max_error']:>8.2f}"
        f"{figures['kendall_tau']:>7.2f}"
        f"{100 * max(row.measured.spread for row in compared):>11.1f}",
        flush=True,
    )
    if rows:
        for row in compared:
            print(
                f"  {row.predicted_ms:8.3f} {row.measured.median_ms:8.3f} ms "
                f"{100 * row.error:+6.2f} %  {row.name}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--spaces", nargs="+", default=["mobile_se", "resnet_se"])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--held-out", type=int, default=10)
    parser.add_argument("--networks", type=int, default=LatencySettings.networks)
    parser.add_argument("--repeats", type=int, default=LatencySettings.repeats)
    parser.add_argument("--sweeps", type=int, default=LatencySettings.sweeps)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--backend", choices=BACKENDS, default="eager")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--cuda", action="store_true")
    parser.add_argument("--cpu-time", action="store_true", help="for a machine that others use")
    parser.add_argument("--rows", action="store_true", help="print every held-out network")
    given = parser.parse_args()
    settings = LatencySettings(
        batch=given.batch,
        backend=given.backend,
        precision=given.precision,
        channels_last=given.channels_last,
        repeats=given.repeats,
        sweeps=given.sweeps,
        networks=given.networks,
        held_out=given.held_out,
    )
    device = "cuda" if given.cuda else "cpu"
    # Time on the CPU leaves out what other processes take, though not what they do to the caches.
    host = Clock(time.process_time, HOST.spans) if given.cpu_time else HOST
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    clock = "CPU time" if given.cpu_time else "wall time"
    print(f"{identity(device)['device']}, {settings}, {settings.threads} thread, {given.size} px")
    print(f"Python {platform.python_version()}, PyTorch {torch.__version__}, {clock}{load}")
    print(
        f"{'space':<14}{'networks':>9}{'blocks':>8}{'s':>8}{'median %':>10}{'max %':>8}{'τ':>7}"
        f"{'spread %':>11}   (held-out networks: {given.held_out}; design: {DESIGN} %)"
    )
    for name in given.spaces:
        one(name, given.size, settings, device, host, given.rows)


if __name__ == "__main__":
    main()
