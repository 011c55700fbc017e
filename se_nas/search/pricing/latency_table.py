"""When a search measures latency: a table before any trial starts, the final networks at its end.

In between, predictions are arithmetic.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

from rich.console import Console

from se_nas.data import Data
from se_nas.errors import InputError
from se_nas.latency import measure_missing
from se_nas.latency.cache import open_cache
from se_nas.latency.cover import cover, draw_held_out
from se_nas.latency.settings import Signature, uses_latency
from se_nas.latency.table import LatencyTable, network_key
from se_nas.search.cluster.slots import Slots
from se_nas.search.config import SearchConfig
from se_nas.search.finals.networks import FinalNetwork
from se_nas.search.pricing.exclusive_device import Note, exclusive_measurer
from se_nas.search.pricing.price import (
    FILE,
    Price,
    TimedPrice,
    describe_table,
    load_table,
    print_latency,
)
from se_nas.search.run_dir.directory import RunDirectory
from se_nas.search.study.random_draws import feasible
from se_nas.space.space import Space

SAVE_S = 30.0  # between two writes of the cache
# For the final networks: a trial of somebody else's may end in that time. The run is complete
# without their latencies, and nobody watches a search that ends at night.
PATIENCE_S = 600.0


def with_latency(
    price: Price,
    space: Space,
    config: SearchConfig,
    images: Data,
    slots: Slots,
    run: RunDirectory,
    console: Console,
) -> Price:
    """``price`` with predicted latencies, if the space asks for any; else ``price`` itself.

    The table is measured, or taken from the cache, or from the run if that is resumed.

    Raises:
        InputError: the device cannot run the space's networks as the settings want them.
    """
    if not uses_latency(space):
        return price

    note = partial(print_latency, console)
    signature = Signature(images.image_size, images.in_channels, images.num_classes)
    found = load_table(price, config.latency, signature, run)
    if found is None:
        found = _measure_table(price, space, config, signature, slots, console, note)
        run.write(FILE, found.to_dict())
    note(describe_table(found))
    return found


def _measure_table(
    price: Price,
    space: Space,
    config: SearchConfig,
    signature: Signature,
    slots: Slots,
    console: Console,
    note: Note,
) -> TimedPrice:
    settings = config.latency
    networks = cover(space, signature, settings.networks, config.seed)
    held_out = draw_held_out(
        space, settings.held_out, networks, lambda a: feasible(space, price(a)), config.seed
    )
    with exclusive_measurer(signature, settings, slots, note) as measurer:
        identity = measurer.identity()
        cache = open_cache(settings.cache, identity)
        known = cache.load(note)
        missing = measure_missing.unmeasured(networks, signature, known)
        # A logical GPU keeps nobody else from the CPU that is timed then.
        shared = slots.gpus > 0 and identity.get("cudnn") is None
        how = "not alone, the reserved GPU is no CUDA device" if shared else "alone"
        note(
            f"{settings} on {identity['device']}, {how}: {len(missing)} networks to time, "
            f"{len(networks) - len(missing)} known"
        )
        saved = time.monotonic()

        def on_done(done: int, total: int) -> None:
            nonlocal saved
            if console.is_terminal:
                console.print(f"latency    {done}/{total} measurements", end="\r")
            if time.monotonic() > saved + SAVE_S:
                cache.save(known, note)
                saved = time.monotonic()

        try:
            measure_missing.measure_missing(
                measurer,
                signature,
                known,
                profiles=networks,
                wholes=held_out,
                sweeps=settings.sweeps,
                seed=config.seed,
                on_done=on_done,
            )
        finally:  # Ctrl-C too
            cache.save(known, note)
    table = LatencyTable(
        measure_missing.restricted_to(known, [*networks, *held_out], signature), signature
    )
    report = measure_missing.report(measure_missing.compare(table, held_out, known))
    return TimedPrice(price, table, settings, identity, report)


def measure_networks(
    price: Price, rows: list[FinalNetwork], slots: Slots, run: RunDirectory, console: Console
) -> list[FinalNetwork]:
    """The final networks measured whole, alone: no trial runs any more.

    What was trained is worth more than its latency: where there is no device, or anything goes
    wrong, one line says so and the rows come back as they are; as they do without latency in the
    search.

    Raises:
        KeyboardInterrupt: the user ended it.
    """
    if not isinstance(price, TimedPrice):
        return rows
    note = partial(print_latency, console)
    try:
        return _measured(price, rows, slots, run, note)
    except KeyboardInterrupt:
        note("the final networks were not timed: interrupted; the run is complete")
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        if not isinstance(error, InputError):
            reason = f"{type(error).__name__}: {reason}"
        note(f"the final networks were not timed: {reason}")
        return rows


def _measured(
    price: TimedPrice, rows: list[FinalNetwork], slots: Slots, run: RunDirectory, note: Note
) -> list[FinalNetwork]:
    table, networks = price.table, [row.architecture for row in rows]
    with exclusive_measurer(table.signature, price.settings, slots, note, PATIENCE_S) as measurer:
        identity = measurer.identity()
        if identity != price.identity:
            note(f"the final networks are timed on {identity}, the table is of {price.identity}")
        cache = open_cache(price.settings.cache, identity)
        known = cache.load(note)
        sweeps = price.settings.sweeps
        try:
            measure_missing.measure_missing(
                measurer, table.signature, known, wholes=networks, sweeps=sweeps
            )
        finally:  # Ctrl-C too
            cache.save(known, note)
    compared = measure_missing.compare(table, networks, known)
    latencies = [known.networks.get(network_key(a, table.signature)) for a in networks]
    run.write(FILE, price.to_dict() | {"finals": measure_missing.report(compared)})
    return [replace(row, latency=own) for row, own in zip(rows, latencies, strict=True)]
