"""Latency in a search: the table is made before any trial starts, on a device of its own.

One plain Ray actor reserves a whole GPU, or all CPUs of a node, for as long as it measures: no
trial can share the device. Afterwards predictions are arithmetic.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from rich.console import Console

from se_nas.arch import Architecture
from se_nas.cost import Cost
from se_nas.data import Data
from se_nas.errors import InputError
from se_nas.latency import build
from se_nas.latency.cache import open_cache
from se_nas.latency.settings import LatencySettings, Signature, uses_latency
from se_nas.latency.table import (
    Latency,
    LatencyTable,
    Measurements,
    Profile,
    TimedCost,
    network_key,
)
from se_nas.search.cluster import Slots
from se_nas.search.directory import RunDirectory
from se_nas.search.finals import Final
from se_nas.search.proposals import feasible
from se_nas.search.settings import RunConfig
from se_nas.space import Space

Price = Callable[[Architecture], Cost]
Note = Callable[[str], None]
T = TypeVar("T")
FILE = "latency.json"
WAIT_S = 20.0  # before the search says what it waits for
SAVE_S = 30.0  # between two writes of the cache


class LatencyWorker:
    """What runs on the reserved device."""

    def __init__(self, signature: Signature, settings: LatencySettings, on_gpu: bool) -> None:
        from se_nas.latency.measure import LocalMeasurer
        from se_nas.search.trial import device

        self.measurer = LocalMeasurer(signature, settings, device(on_gpu))

    def identity(self) -> dict[str, Any]:
        return self.measurer.identity()

    def measure(self, architecture: str) -> Latency | None:
        return self._fitting(self.measurer.measure, architecture)

    def profile(self, architecture: str) -> Profile | None:
        return self._fitting(self.measurer.profile, architecture)

    def _fitting(self, timed: Callable[[Architecture], T], architecture: str) -> T | None:
        from se_nas.search.trial import is_out_of_memory

        try:
            return timed(Architecture.from_json(architecture))
        except Exception as error:
            if is_out_of_memory(error):
                return None
            raise


class RayMeasurer:
    """``build.Measurer`` through the actor. Errors of the user's are raised here as they are."""

    def __init__(self, actor: Any, ray: Any) -> None:
        self.actor, self.ray = actor, ray

    def identity(self) -> dict[str, Any]:
        return dict(self._get(self.actor.identity.remote()))

    def measure(self, architecture: Architecture) -> Latency | None:
        found: Latency | None = self._get(self.actor.measure.remote(architecture.to_json()))
        return found

    def profile(self, architecture: Architecture) -> Profile | None:
        found: Profile | None = self._get(self.actor.profile.remote(architecture.to_json()))
        return found

    def _get(self, reference: Any) -> Any:
        """The actor's answer; None if the host had not the memory for it."""
        try:
            return self.ray.get(reference)
        except self.ray.exceptions.OutOfMemoryError:
            return None
        except self.ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, InputError):
                raise InputError(str(error.cause)) from None
            reason = str(error.cause).splitlines()[0]
            raise InputError(f"latency_ms cannot be measured: {reason}") from None
        except self.ray.exceptions.RayActorError as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"latency_ms cannot be measured: the worker died ({reason})") from None


def whole_device(slots: Slots, nodes: Sequence[dict[str, float]]) -> dict[str, float]:
    """What a measurement reserves: a GPU and a trial's CPUs, or all CPUs of the largest node."""
    if slots.gpus:
        return {"num_gpus": 1, "num_cpus": slots.cpus}
    return {"num_gpus": 0, "num_cpus": max(node.get("CPU", 0.0) for node in nodes)}


@contextlib.contextmanager
def alone(
    signature: Signature, settings: LatencySettings, slots: Slots, note: Note
) -> Iterator[RayMeasurer]:
    """A measurer that has a device to itself, for as long as the block lasts."""
    import ray

    api: Any = ray
    nodes = [node["Resources"] for node in api.nodes() if node["Alive"]]
    reserved = whole_device(slots, nodes)
    actor = (
        api.remote(LatencyWorker)
        .options(max_restarts=3, max_task_retries=3, **reserved)
        .remote(signature, settings, slots.gpus > 0)
    )
    try:
        begun, _ = api.wait([actor.identity.remote()], timeout=WAIT_S)
        if not begun:
            what = ", ".join(f"{value:g} {key[4:].upper()}" for key, value in reserved.items())
            note(f"waiting for a device that is free: {what}")
        yield RayMeasurer(actor, api)
    finally:
        api.kill(actor)


@dataclass(frozen=True)
class TimedPrice:
    """A price with the predicted latency in it: constraints and objectives see it before training.

    Attributes:
        price: the cost by arithmetic.
        identity: the device, its versions and the settings that the table holds for.
        held_out: the table's error, as ``build.report`` has it.
    """

    price: Price
    table: LatencyTable
    settings: LatencySettings
    identity: dict[str, Any]
    held_out: dict[str, Any]

    def __call__(self, architecture: Architecture) -> TimedCost:
        return self.table.timed(self.price(architecture), architecture)

    def to_dict(self) -> dict[str, Any]:
        """What ``latency.json`` says: settings, device, error, and the whole table."""
        return {
            "settings": asdict(self.settings),
            "signature": asdict(self.table.signature),
            "identity": self.identity,
            "factor": self.table.factor,
            "held_out": self.held_out,
            "measurements": self.table.measurements.to_dict(),
        }


def timed(
    price: Price,
    space: Space,
    config: RunConfig,
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

    def note(text: str) -> None:
        console.print(f"latency    {text}", soft_wrap=True)

    signature = Signature(images.image_size, images.in_channels, images.num_classes)
    kept = _kept(price, config.latency, signature, run)
    if kept is None:
        kept = _made(price, space, config, signature, slots, console, note)
        run.write(FILE, kept.to_dict())
    note(summary(kept))
    return kept


def _made(
    price: Price,
    space: Space,
    config: RunConfig,
    signature: Signature,
    slots: Slots,
    console: Console,
    note: Note,
) -> TimedPrice:
    settings = config.latency
    networks = build.cover(space, signature, settings.networks, config.seed)
    held_out = build.draw_held_out(
        space, settings.held_out, networks, lambda a: feasible(space, price(a)), config.seed
    )
    with alone(signature, settings, slots, note) as measurer:
        identity = measurer.identity()
        cache = open_cache(settings.cache, identity)
        known = cache.load(note)
        missing = build.lacking(networks, signature, known)
        note(
            f"{settings} on {identity['device']}, alone: {len(missing)} networks to time, "
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
            build.run(
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
    table = LatencyTable(build.of_networks(known, [*networks, *held_out], signature), signature)
    report = build.report(build.compare(table, held_out, known))
    return TimedPrice(price, table, settings, identity, report)


def _kept(
    price: Price, settings: LatencySettings, signature: Signature, run: RunDirectory
) -> TimedPrice | None:
    """The table that the run has already: trials of one run are held against one table."""
    path = run.path / FILE
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["signature"] != asdict(signature):
            return None
        table = LatencyTable(Measurements.from_dict(data["measurements"]), signature)
        return TimedPrice(price, table, settings, data["identity"], data["held_out"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a table of latencies ({error!r})") from None


def recorded(price: Price, space: Space, config: RunConfig, run: RunDirectory) -> Price:
    """The price that a run had, without measuring anything.

    Raises:
        InputError: the space asks for a latency and the run's table is gone or cannot be read.
    """
    if not uses_latency(space):
        return price
    path = run.path / FILE
    if not path.exists():
        raise InputError(f"{path} is missing: the latencies of this run are not known without it")
    try:
        signature = Signature(**json.loads(path.read_text(encoding="utf-8"))["signature"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a table of latencies ({error!r})") from None
    found = _kept(price, config.latency, signature, run)
    assert found is not None, "the file is there, and of its own signature"
    return found


def measured(
    price: Price, rows: list[Final], slots: Slots, run: RunDirectory, console: Console
) -> list[Final]:
    """The final networks measured whole, alone: no trial runs any more.

    Without latency in the search the rows are returned as they are.
    """
    if not isinstance(price, TimedPrice):
        return rows
    table, networks = price.table, [row.architecture for row in rows]

    def note(text: str) -> None:
        console.print(f"latency    {text}", soft_wrap=True)

    try:
        with alone(table.signature, price.settings, slots, note) as measurer:
            identity = measurer.identity()
            if identity != price.identity:
                note(
                    f"the final networks are timed on {identity}, the table is of {price.identity}"
                )
            cache = open_cache(price.settings.cache, identity)
            known = cache.load(note)
            sweeps = price.settings.sweeps
            build.run(measurer, table.signature, known, wholes=networks, sweeps=sweeps)
            cache.save(known, note)
    except InputError as error:  # what was trained is worth more
        note(f"the final networks were not timed: {error}")
        return rows
    compared = build.compare(table, networks, known)
    latencies = [known.networks.get(network_key(a, table.signature)) for a in networks]
    run.write(FILE, price.to_dict() | {"finals": build.report(compared)})
    return [replace(row, latency=own) for row, own in zip(rows, latencies, strict=True)]


def summary(price: TimedPrice) -> str:
    """One line on the table and how far it is off."""
    error = price.held_out
    head = f"table of {len(price.table.measurements.blocks)} blocks"
    count = len(error["networks"])
    if not count:
        return f"{head}; no network was left to test it with"
    tau = error["kendall_tau"]
    order = "" if tau is None else f", Kendall's τ {tau:.2f}"
    return (
        f"{head}; error on {count} held-out networks: median {100 * error['median_error']:.1f} %, "
        f"at most {100 * error['max_error']:.1f} %{order} ({FILE})"
    )
