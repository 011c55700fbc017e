"""The Ray cluster of a run: one of our own on loopback, or a running one; and its slots."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import ray

from se_nas.errors import InputError
from se_nas.search.cluster import leftovers, machine
from se_nas.search.cluster.ray_environment import head_address
from se_nas.search.cluster.runtime_env import runtime_env
from se_nas.search.cluster.slots import Slots, plan_slots
from se_nas.search.config import SearchConfig
from se_nas.signals import raise_on_signal
from se_nas.texts import first_line

CONNECT_TIMEOUT_S = 5.0


class _Context(Protocol):
    """The result of ``ray.init``, as far as it is used here."""

    @property
    def dashboard_url(self) -> str | None: ...


def check_addresses(config: SearchConfig) -> None:
    """Refuse an address at which nothing answers, or at which the dashboard cannot listen.

    Raises:
        InputError: before anything is made or started.
    """
    if config.address is None:
        _check_dashboard_host(config.dashboard_host or "127.0.0.1")
    elif reason := _unreachable(config.address):
        raise _no_cluster(config.address, reason)


@contextlib.contextmanager
def connected(config: SearchConfig, errors: Path | None = None) -> Iterator[Slots]:
    """Start or join Ray for as long as the block lasts, and yield the slots of trials.

    Of a cluster of our own nothing stays. If the block ends in an error, or there are files in
    ``errors``, Ray's logs of workers and nodes are kept there, in ``ray/``.

    Args:
        errors: folder of the run's errors.

    Raises:
        InputError: the cluster cannot be reached or lacks the resources asked for.
        Interrupted: a signal came while it started.
    """
    if ray.is_initialized():  # it would be shut down with the search
        raise InputError("this process has a Ray cluster already: ray.shutdown() first")
    check_addresses(config)
    session: Path | None = None
    folders, failed = leftovers.multiprocessing_folders(), True
    try:
        with raise_on_signal():  # Ray's start sets a handler for SIGTERM, which ends here
            context = _start(config) if config.address is None else _join(config)
        if config.address is None:
            info: Mapping[str, str] = context.address_info  # type: ignore[attr-defined]
            session = Path(info["session_dir"])
            leftovers.mark_session(session)
        yield plan_slots(config, living_nodes(), context.dashboard_url or "")
        failed = False
    except KeyboardInterrupt:
        failed = False
        raise
    finally:
        try:
            ray.shutdown()
        finally:  # a signal may end the shutdown
            if session is not None:
                if errors is not None and errors.is_dir() and (failed or any(errors.iterdir())):
                    leftovers.keep_logs(session, errors / "ray")
                leftovers.remove_session(session)
                leftovers.remove_multiprocessing_folders(folders)
                leftovers.remove_empty_compiler_cache()


def living_nodes() -> list[Mapping[str, float]]:
    """Return the resources of each node of the connected cluster that is alive."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["Resources"] for node in nodes if node["Alive"]]


def _start(config: SearchConfig) -> _Context:
    machine.check_limits()
    machine.provide_token()
    folder = machine.ray_folder()
    try:
        context: _Context = ray.init(
            address="local",  # not a cluster that somebody else started on this machine
            include_dashboard=config.dashboard,
            dashboard_host=config.dashboard_host or "127.0.0.1",
            _node_ip_address="127.0.0.1",
            _temp_dir=None if folder is None else str(folder),
            log_to_driver=False,
            logging_level=logging.CRITICAL,  # why it cannot start, in many lines, is in its logs
        )
        logging.getLogger("ray").setLevel(logging.ERROR)
        return context
    except Exception as error:  # of many types, and many lines
        leftovers.mark_sessions_of_process(folder or machine.default_folder())
        raise InputError(
            f"Ray cannot start on this machine: {type(error).__name__}: {first_line(error)}; its "
            f"logs are in {folder or machine.default_folder()}/session_latest/logs, until "
            "`se-nas clean --yes`"
        ) from error


def _check_dashboard_host(host: str) -> None:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, 0), family=family).close()
    except (OSError, UnicodeError) as error:  # Ray would try 50 ports; its error is many lines
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"`dashboard_host={host!r}`: {reason}; give an address of this machine, or 0.0.0.0 "
            "for all of them"
        ) from None


def _join(config: SearchConfig) -> _Context:
    assert config.address is not None, "a run without an address starts a cluster"
    try:
        return ray.init(
            address=config.address,
            runtime_env=runtime_env(),
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise _no_cluster(config.address, first_line(error)) from None


def _no_cluster(address: str, reason: str) -> InputError:
    return InputError(
        f"`address={address!r}`: no Ray cluster answers there ({reason}); start one with "
        "`ray start --head`, and give the driver its token (~/.ray/auth_token) or, if it runs "
        "without, set RAY_AUTH_MODE=disabled"
    )


def _unreachable(address: str) -> str | None:
    """Return why nothing listens at an address; Ray would try for minutes, and not say it."""
    host, _, port = head_address(address).rpartition(":")
    if not host or not re.fullmatch("[0-9]+", port):
        return "no cluster was started on this machine" if address == "auto" else "not host:port"
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except (OSError, OverflowError, UnicodeError) as error:  # a port above 65535, no name
        return getattr(error, "strerror", None) or str(error)
    return None
