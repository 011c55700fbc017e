"""Environment variables that Ray reads when it is imported, so they must be set before."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from se_nas.search.cluster.machine import provide_home


def configure_ray(address: str | None) -> None:
    """Set Ray's variables: loopback for a cluster of our own, the token for a running one.

    Args:
        address: of a running cluster; None if one will be started on this machine.
    """
    provide_home()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    # Tune's own snapshots: a run is taken up from its study, and they cost more with every trial.
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "1000000")
    os.environ.setdefault("TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S", "3600")
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    # Ctrl-C is ours: Tune would go on as if the search had ended by itself.
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    # CPU trials must not see a GPU that other people's work runs on.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    if address is None:
        # Else Ray listens on every interface of the machine, whatever address it is given.
        _stay_on_loopback(True)
    else:
        # Clusters ask for a token by default, and joining one does not turn that on by itself.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        # A head on loopback: else Ray replaces the address by that of a network interface.
        # Another head: undo what an earlier search of this process set.
        host = head_address(address).rpartition(":")[0]
        _stay_on_loopback(host in ("127.0.0.1", "localhost"))
    _read_again()


def _stay_on_loopback(stay: bool) -> None:
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0" if stay else "1"
    imported = sys.modules.get("ray._private.ray_constants")
    if imported is not None:  # by the user, before the search: it has read the environment
        imported.ENABLE_RAY_CLUSTER = not stay  # type: ignore[attr-defined]


def _read_again() -> None:
    """Let a Ray that this process has used before see whether clusters ask for a token.

    Else a cluster of our own asks for one, by its environment, that this process does not give.
    """
    used = sys.modules.get("ray._raylet")
    if used is not None:
        used.Config.initialize("")


def head_address(address: str) -> str:
    """Return ``host:port`` of a cluster's head.

    ``auto`` is the address that ``ray start`` wrote down on this machine; empty if there is none.
    """
    if address == "auto":
        noted = Path(os.environ.get("RAY_TMPDIR", tempfile.gettempdir()), "ray/ray_current_cluster")
        written = noted.read_text(encoding="utf-8").strip() if noted.is_file() else ""
        address = os.environ.get("RAY_ADDRESS", written)
    return address.removeprefix("ray://")
