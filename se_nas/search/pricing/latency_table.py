"""Latency measurements of a search: a table before any trial, the final networks at its end.

In between, predictions are arithmetic.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from se_nas.architecture.architecture import Architecture
from se_nas.console import print_line
from se_nas.errors import InputError
from se_nas.latency import measure_missing
from se_nas.latency.cache import open_cache
from se_nas.latency.cover import cover, draw_held_out
from se_nas.latency.settings import Signature, uses_latency
from se_nas.latency.table import Latency, LatencyTable, network_key
from se_nas.search.plan import SearchRun
from se_nas.search.pricing.exclusive_device import Note, exclusive_measurer
from se_nas.search.pricing.price import TimedPrice, describe_table, load_table, print_latency
from se_nas.search.run_dir.directory import LATENCY
from se_nas.search.study.feasibility import check_feasible
from se_nas.texts import first_line

SAVE_S = 30.0  # between two writes of the cache
# The final networks wait so long for a device: another user's trial may end in that time. The run
# is complete without their latencies, so that a search never waits without end.
DEVICE_TIMEOUT_S = 600.0


def with_latency(search_run: SearchRun) -> SearchRun:
    """Return the run with predicted latencies in its price, or as it is if none are asked for.

    The table is measured, or taken from the cache, or from the run if that is resumed.

    Raises:
        InputError: the device cannot run the space's networks as the settings want them, or none
            of them keeps the constraints.
    """
    plan = search_run.plan
    if not uses_latency(plan.space):
        return search_run
    signature = Signature(plan.images.image_size, plan.images.in_channels, plan.images.num_classes)
    price = load_table(plan.price, plan.config.latency, search_run.run)
    if price is None or price.table.signature != signature:
        price = _measure_table(search_run, signature)
        search_run.run.write(LATENCY, price.to_dict())
    print_latency(search_run.console, describe_table(price))
    share = check_feasible(plan.space, price, plan.images, plan.config.seed)
    return replace(search_run, plan=replace(plan, price=price, feasible_share=share))


def _measure_table(search_run: SearchRun, signature: Signature) -> TimedPrice:
    plan, console = search_run.plan, search_run.console
    space, price, config = plan.space, plan.price, plan.config
    note = partial(print_latency, console)
    settings = config.latency
    networks = cover(space, signature, settings.networks, config.seed)
    held_out = draw_held_out(
        space, settings.held_out, networks, lambda a: space.admits(price(a)), config.seed
    )
    with exclusive_measurer(signature, settings, search_run.slots, note) as measurer:
        identity = measurer.identity()
        cache = open_cache(settings.cache, identity)
        known = cache.load(note)
        missing = measure_missing.unmeasured(networks, signature, known)
        # A logical GPU does not reserve the CPU that is timed in its place.
        shared = (
            search_run.slots.gpus > 0
            and identity.get("cudnn") is None
            and not (settings.on_cpu or settings.command)
        )
        how = "not alone, the reserved GPU is no CUDA device" if shared else "alone"
        note(
            f"{settings} on {identity['device']}, {how}: {len(missing)} networks to time, "
            f"{len(networks) - len(missing)} known"
        )
        saved = time.monotonic()

        def on_done(done: int, total: int) -> None:
            nonlocal saved
            if console.is_terminal:
                print_line(console, f"latency    {done}/{total} measurements", end="\r")
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
    search_run: SearchRun, networks: Sequence[Architecture]
) -> list[Latency | None]:
    """Measure the final networks whole, alone: no trial runs any more.

    A search is not lost for lack of latencies: without a free device, or if anything goes wrong,
    they are None, and one line says so. They are None too if the search is not about latency.

    Raises:
        KeyboardInterrupt: the user ended it.
    """
    price = search_run.plan.price
    if not isinstance(price, TimedPrice):
        return [None] * len(networks)
    note = partial(print_latency, search_run.console)
    try:
        return _measure_alone(price, networks, search_run, note)
    except KeyboardInterrupt:
        note("the final networks were not timed: interrupted; the run is complete")
        raise
    except Exception as error:
        reason = first_line(error)
        if not isinstance(error, InputError):
            reason = f"{type(error).__name__}: {reason}"
        note(f"the final networks were not timed: {reason}")
        return [None] * len(networks)


def _measure_alone(
    price: TimedPrice, networks: Sequence[Architecture], search_run: SearchRun, note: Note
) -> list[Latency | None]:
    table, wait = price.table, DEVICE_TIMEOUT_S
    with exclusive_measurer(
        table.signature, price.settings, search_run.slots, note, wait
    ) as measurer:
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
    report = {"finals": measure_missing.report(compared)}
    search_run.run.write(LATENCY, price.to_dict() | report)
    return [known.networks.get(network_key(a, table.signature)) for a in networks]
