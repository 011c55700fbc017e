"""The Ray cluster of a run: one of our own on loopback, or a running one; and its slots."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from se_nas.errors import InputError
from se_nas.search.environment import head_address
from se_nas.search.settings import RunConfig

CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Slots:
    """How trials share the cluster.

    Attributes:
        count: trials at once.
        cpus, gpus: what one trial reserves.
        dashboard: address of the Ray dashboard, empty without one.
    """

    count: int
    cpus: float
    gpus: float
    dashboard: str = ""

    @property
    def resources(self) -> dict[str, float]:
        return {"cpu": self.cpus} | ({"gpu": self.gpus} if self.gpus else {})


@contextlib.contextmanager
def connected(config: RunConfig) -> Iterator[Slots]:
    """Ray, started or joined, for as long as the block lasts.

    Raises:
        InputError: the cluster cannot be reached, or has not what the run asks for.
    """
    import ray

    api: Any = ray  # much of its interface is untyped
    try:
        context = _start(config, api) if config.address is None else _join(config, api)
        yield slots(config, api.cluster_resources(), context.dashboard_url or "")
    finally:
        api.shutdown()


def slots(config: RunConfig, found: dict[str, float], dashboard: str = "") -> Slots:
    """Divide what the cluster has among trials.

    Raises:
        InputError: there are fewer GPUs, or CPUs, than asked for.
    """
    gpus_found, cpus_found = int(found.get("GPU", 0)), found.get("CPU", 0.0)
    gpus = gpus_found if config.gpus is None else config.gpus
    if gpus > gpus_found:
        fewer = f"--gpus {gpus_found}, " if gpus_found else ""
        raise InputError(
            f"--gpus {gpus}: the cluster has {gpus_found} GPU{'s' * (gpus_found != 1)} and "
            f"{cpus_found:g} CPUs; use {fewer}--gpus 0 to train on CPUs, or --address of a cluster "
            "that has them"
        )
    if gpus == 0:
        cpus = config.cpus_per_trial or 1.0
        count = int(cpus_found / cpus + 1e-9)
    else:
        count = int(gpus / config.gpus_per_trial + 1e-9)
        cpus = config.cpus_per_trial or _share(cpus_found, max(count, 1))
    if count < 1 or cpus > cpus_found:
        raise InputError(
            f"a trial needs {cpus:g} CPUs and {config.gpus_per_trial if gpus else 0:g} GPUs; the "
            f"cluster has {cpus_found:g} and {gpus}; lower --cpus-per-trial or --gpus-per-trial"
        )
    count = min(count, config.concurrency or count, int(cpus_found / cpus + 1e-9))
    return Slots(count, cpus, config.gpus_per_trial if gpus else 0.0, dashboard)


def _share(cpus: float, count: int) -> float:
    """An equal share: whole CPUs up to 8, or a fraction that fits ``count`` times."""
    share = cpus / count
    return float(min(8, int(share))) if share >= 1 else int(share * 1000) / 1000


def _start(config: RunConfig, ray: Any) -> Any:
    return ray.init(
        include_dashboard=config.dashboard,
        dashboard_host="127.0.0.1",
        _node_ip_address="127.0.0.1",
        log_to_driver=False,
        logging_level="ERROR",
    )


def _join(config: RunConfig, ray: Any) -> Any:
    assert config.address is not None, "a run without an address starts a cluster"
    reason = _unreachable(config.address)
    if reason is None:
        try:
            return ray.init(address=config.address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
    raise InputError(
        f"--address {config.address!r}: no Ray cluster answers there ({reason}); start one with "
        "`ray start --head`, and give the driver its token (~/.ray/auth_token) or, if it runs "
        "without, set RAY_AUTH_MODE=disabled"
    )


def _unreachable(address: str) -> str | None:
    """Why nothing listens at an address; Ray itself would try for minutes, and not say it."""
    host, _, port = head_address(address).rpartition(":")
    if not host or not port.isdigit():
        return "no cluster was started on this machine" if address == "auto" else "not host:port"
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except OSError as error:
        return error.strerror or str(error)
    return None
