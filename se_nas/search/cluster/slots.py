"""Slots of trials in a cluster: arithmetic over the resources of its nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from se_nas.errors import InputError
from se_nas.search.config import SearchConfig

# CPUs beside a GPU: a trial's loaders need no more, and other users of the machine may.
MOST_CPUS = 8


@dataclass(frozen=True)
class Slots:
    """The trials that run at once, and the resources of each.

    Attributes:
        count: trials at once.
        cpus, gpus: what one trial reserves.
        dashboard: address of the Ray dashboard, empty without one.
        one_process: whether a trial has all its GPUs in one process, as a user's training has.
    """

    count: int
    cpus: float
    gpus: float
    dashboard: str = ""
    one_process: bool = False

    @property
    def processes(self) -> int:
        """Processes of a trial: one a GPU."""
        return 1 if self.one_process else max(1, int(self.gpus))

    @property
    def resources(self) -> list[dict[str, float]]:
        """The resources of each process of a trial, on one node."""
        share = {"CPU": self.cpus / self.processes}
        return [share | ({"GPU": self.gpus / self.processes} if self.gpus else {})] * self.processes


def plan_slots(
    config: SearchConfig, nodes: Sequence[Mapping[str, float]], dashboard: str = ""
) -> Slots:
    """Divide the nodes' resources among trials; a trial stands on one node.

    Args:
        nodes: the resources of each living node, ``{"CPU": 8.0, "GPU": 2.0}``.

    Raises:
        InputError: there are fewer GPUs, or CPUs, than asked for.
    """
    gpus = _gpus(config, nodes)
    share = config.gpus_per_trial if gpus else 0.0
    # Of each node that trials can stand on: its CPUs, and the trials that its GPUs have room for.
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
            "lower `cpus_per_trial`"
        )
    at_once = min(count, config.concurrency or count)
    return Slots(at_once, cpus, share, dashboard, one_process=config.train is not None)


def _gpus(config: SearchConfig, nodes: Sequence[Mapping[str, float]]) -> int:
    """Return the number of GPUs to use on all nodes.

    Raises:
        InputError: there are not so many, or not so many together as a trial needs.
    """
    each = [int(node.get("GPU", 0)) for node in nodes]
    found = sum(each)
    gpus = found if config.gpus is None else config.gpus
    if gpus > found:
        cpus = sum(node.get("CPU", 0.0) for node in nodes)
        fewer = f"`gpus={found}`, " if found else ""
        raise InputError(
            f"`gpus={gpus}`: the cluster has {found} GPU{'s' * (found != 1)} and {cpus:g} "
            f"CPUs; use {fewer}`gpus=0` to train on CPUs, or the `address` of a cluster that has "
            "them"
        )
    together = min(gpus, max(each, default=0))
    if int(config.gpus_per_trial) > max(1, together):
        have = (
            f"`gpus` is {gpus}" if config.gpus == together else f"no node has more than {together}"
        )
        raise InputError(
            f"`gpus_per_trial={config.gpus_per_trial:g}`: {have}, and a trial stands on one node; "
            "lower it, or give the `address` of a cluster that has them"
        )
    return gpus


def _on(gpus: int, share: float) -> int:
    """Return how many trials fit on the GPUs of a node: several on one, or one on several."""
    if not share:
        return 0
    return gpus // int(share) if share >= 1 else int(1 / share + 1e-9) * gpus


def _share(per_node: Sequence[tuple[float, int]]) -> float:
    """Return the CPUs of a slot, as many as every node with GPUs can give: whole or a fraction."""
    least = min(cpus / slot_count for cpus, slot_count in per_node)
    return float(min(MOST_CPUS, int(least))) if least >= 1 else max(0.001, int(least * 1000) / 1000)


def slots_on(config: SearchConfig, given: Slots, nodes: Sequence[Mapping[str, float]]) -> int:
    """Return how many trials these nodes have room for, with the resources given at the start.

    Args:
        nodes: the resources of each living node, as for ``plan_slots``.

    >>> config, given = SearchConfig(gpus=4), Slots(4, cpus=2.0, gpus=1.0)
    >>> [slots_on(config, given, [{"CPU": 8.0, "GPU": 2.0}] * n) for n in range(4)]
    [0, 2, 4, 4]
    """
    gpus = 0
    if given.gpus:
        found = int(sum(node.get("GPU", 0) for node in nodes))
        gpus = found if config.gpus is None else min(config.gpus, found)
        if not gpus:
            return 0
    try:
        return plan_slots(replace(config, gpus=gpus, cpus_per_trial=given.cpus), nodes).count
    except InputError:
        return 0
