"""Search on a running Ray cluster: ``python ray_cluster.py --address HOST:6379`` or ``auto``.

Without an address it starts a head on this machine, on loopback and with a token of its own, as
``ray start --head`` would, and ends it at the end.
"""

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import se_nas
from se_nas import SE, Space, choice, optional, per_stage, trunk

SPACE = Space(
    "on_a_cluster",
    trunk=trunk("resnet8_small", width=choice(8, 16)),
    se=per_stage(optional(SE(reduction=choice(2, 4)))),
)


@contextlib.contextmanager
def local_head() -> Iterator[str]:
    """Start a cluster of one node for as long as the block lasts; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))  # a socket's path is short
    (folder / "token").write_text(secrets.token_hex(32))
    os.environ |= {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # or Ray listens on all interfaces
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
        "RAY_TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block"]
    command += [f"--port={port}", "--node-ip-address=127.0.0.1", "--num-cpus=2", "--num-gpus=0"]
    command += ["--include-dashboard=false", "--disable-usage-stats"]
    head = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_for(port)
        yield f"127.0.0.1:{port}"
    finally:
        os.killpg(head.pid, signal.SIGTERM)
        head.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def search(address: str, gpus: int) -> None:
    result = se_nas.run_search(
        SPACE,
        "digits",
        address=address,
        gpus=gpus,
        trials=2,
        epochs=2,
        top=1,
        final_seeds=1,
        limit_train=400,
    )
    seen = len(result.trials)
    print(f"{seen} networks trained on {address}; the winner is {result.winner}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", help="of a running cluster; its token is in ~/.ray/auth_token")
    parser.add_argument("--gpus", type=int, default=0)
    given = parser.parse_args()
    if given.address is None:
        with local_head() as address:
            search(address, given.gpus)
    else:
        search(given.address, given.gpus)
