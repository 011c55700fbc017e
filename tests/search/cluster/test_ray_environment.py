"""A cluster of our own listens on loopback only, whenever Ray was imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
{first}
from se_nas.search.cluster.ray_environment import configure_ray
configure_ray({address!r})
from ray._private.services import get_node_ip_address
print(get_node_ip_address())
"""


@pytest.mark.parametrize("address", [None, "127.0.0.1:6379"])
@pytest.mark.parametrize("first", ["", "import ray"])
def test_a_node_is_on_loopback_also_if_ray_was_imported_before(
    first: str, address: str | None
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(first=first, address=address)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == "127.0.0.1", done.stderr
