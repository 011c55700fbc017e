"""A cluster of our own listens on loopback only, whenever Ray was imported; others do not."""

from __future__ import annotations

import os
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


@pytest.mark.parametrize("then", ["", "import ray"])
def test_a_remote_head_is_joined_after_a_run_on_this_machine(then: str) -> None:
    code = f"""
from se_nas.search.cluster.ray_environment import configure_ray
configure_ray(None)
{then}
configure_ray("10.0.0.5:6379")
from ray._private import ray_constants
print(ray_constants.ENABLE_RAY_CLUSTER)
configure_ray(None)
print(ray_constants.ENABLE_RAY_CLUSTER)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["True", "False"], done.stderr


def test_a_ray_that_was_used_before_gives_the_token_of_the_next_cluster() -> None:
    code = """
import ray
from ray._raylet import AuthenticationMode, get_authentication_mode
from se_nas.search.cluster.ray_environment import configure_ray
print(get_authentication_mode() == AuthenticationMode.TOKEN)
configure_ray("10.0.0.5:6379")
print(get_authentication_mode() == AuthenticationMode.TOKEN)
"""
    environment = {name: value for name, value in os.environ.items() if "RAY_AUTH" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["False", "True"], done.stderr
