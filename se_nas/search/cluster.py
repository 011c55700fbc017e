"""The Ray cluster of a run: one of our own on loopback, or a running one; and its slots."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from se_nas.errors import InputError
from se_nas.search.config import SearchConfig
from se_nas.search.environment import head_address
from se_nas.search.shipping import runtime_env

CONNECT_TIMEOUT_S = 5.0
# Beside a GPU: a trial's loaders need no more, and the machine's other users may.
MOST_CPUS = 8


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
    def processes(self) -> int:
        """Processes of a trial: one a GPU."""
        return max(1, int(self.gpus))

    @property
    def resources(self) -> list[dict[str, float]]:
        """Of each process of a trial, on one node."""
        share = {"CPU": self.cpus / self.processes}
        return [share | ({"GPU": self.gpus / self.processes} if self.gpus else {})] * self.processes


@contextlib.contextmanager
def connected(config: SearchConfig) -> Iterator[Slots]:
    """Ray, started or joined, for as long as the block lasts.

    Raises:
        InputError: the cluster cannot be reached, or has not what the run asks for.
        Interrupted: a signal came while it started.
    """
    import ray

    from se_nas.search.signals import raise_on_signal  # with Tune, which not every worker needs

    api: Any = ray  # much of its interface is untyped
    if api.is_initialized():  # it would be shut down with the search
        raise InputError("this process has a Ray cluster already: ray.shutdown() first")
    try:
        with (
            raise_on_signal()
        ):  # Ray's start sets a handler for SIGTERM, which is not to outlast it
            context = _start(config, api) if config.address is None else _join(config, api)
        yield slots(config, living(), context.dashboard_url or "")
    finally:
        api.shutdown()


def living() -> list[Mapping[str, float]]:
    """The resources of each node of the connected cluster that is alive."""
    import ray

    api: Any = ray
    return [node["Resources"] for node in api.nodes() if node["Alive"]]


def slots(config: SearchConfig, nodes: Sequence[Mapping[str, float]], dashboard: str = "") -> Slots:
    """Divide what the nodes have among trials; a trial stands on one node.

    Args:
        nodes: the resources of each living node, ``{"CPU": 8.0, "GPU": 2.0}``.

    Raises:
        InputError: there are fewer GPUs, or CPUs, than asked for.
    """
    gpus = _gpus(config, nodes)
    share = config.gpus_per_trial if gpus else 0.0
    # The CPUs of each node that trials can stand on, and how many its GPUs have room for.
    per_node = [
        (node.get("CPU", 0.0), _on(int(node.get("GPU", 0)), share))
        for node in nodes
        if not gpus or _on(int(node.get("GPU", 0)), share)
    ]
    cpus = config.cpus_per_trial or (_share(per_node) if gpus else 1.0)
    fit = [int(node_cpus / cpus + 1e-9) for node_cpus, _ in per_node]
    count = sum(min(n, s) if gpus else n for n, (_, s) in zip(fit, per_node, strict=True))
    if gpus:
        count = min(count, _on(gpus, share))
    if count < 1:
        beside = f" beside {share:g} GPU{'s' * (share > 1)}" if share else ""
        most = max((node_cpus for node_cpus, _ in per_node), default=0.0)
        raise InputError(
            f"a trial needs {cpus:g} CPUs{beside} on one node, where there are {most:g} at most; "
            "lower --cpus-per-trial"
        )
    return Slots(min(count, config.concurrency or count), cpus, share, dashboard)


def _gpus(config: SearchConfig, nodes: Sequence[Mapping[str, float]]) -> int:
    """GPUs to use on all nodes.

    Raises:
        InputError: there are not so many, or not so many together as a trial needs.
    """
    each = [int(node.get("GPU", 0)) for node in nodes]
    found = sum(each)
    gpus = found if config.gpus is None else config.gpus
    if gpus > found:
        cpus = sum(node.get("CPU", 0.0) for node in nodes)
        fewer = f"--gpus {found}, " if found else ""
        raise InputError(
            f"--gpus {gpus}: the cluster has {found} GPU{'s' * (found != 1)} and {cpus:g} "
            f"CPUs; use {fewer}--gpus 0 to train on CPUs, or --address of a cluster that has them"
        )
    together = min(gpus, max(each, default=0))
    if config.processes > max(1, together):
        have = (
            f"--gpus is {gpus}" if config.gpus == together else f"no node has more than {together}"
        )
        raise InputError(
            f"--gpus-per-trial {config.gpus_per_trial:g}: {have}, and a trial stands on one node; "
            "lower it, or give --address of a cluster that has them"
        )
    return gpus


def _on(gpus: int, share: float) -> int:
    """Trials that fit on so many GPUs of a node: some on each, or each on some."""
    if not share:
        return 0
    return gpus // int(share) if share >= 1 else int(1 / share + 1e-9) * gpus


def _share(per_node: Sequence[tuple[float, int]]) -> float:
    """CPUs for each slot, as many as every node with GPUs can give: whole ones, or a fraction."""
    least = min(cpus / slot_count for cpus, slot_count in per_node)
    return float(min(MOST_CPUS, int(least))) if least >= 1 else max(0.001, int(least * 1000) / 1000)


def _start(config: SearchConfig, ray: Any) -> Any:
    host = config.dashboard_host or "127.0.0.1"
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, 0), family=family).close()
    except OSError as error:  # Ray tries 50 ports, and then says much else
        raise InputError(
            f"--dashboard-host {host!r}: {error.strerror or error}; give an address of this "
            "machine, or 0.0.0.0 for all of them"
        ) from None
    return ray.init(
        address="local",  # not a cluster that somebody else started on this machine
        include_dashboard=config.dashboard,
        dashboard_host=host,
        _node_ip_address="127.0.0.1",
        log_to_driver=False,
        logging_level="ERROR",
    )


def _join(config: SearchConfig, ray: Any) -> Any:
    assert config.address is not None, "a run without an address starts a cluster"
    reason = _unreachable(config.address)
    if reason is None:
        try:
            return ray.init(
                address=config.address,
                runtime_env=runtime_env(),
                log_to_driver=False,
                logging_level="ERROR",
            )
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
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
