"""The files in ``deploy/`` are what the tools that read them accept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

CLUSTER = Path(__file__).resolve().parents[1] / "deploy" / "cluster.yaml"


@pytest.fixture
def cluster() -> dict[str, Any]:
    """As ``ray up`` sees it: with what it fills in."""
    found: dict[str, Any] = prepare_config(yaml.safe_load(CLUSTER.read_text()))
    return found


def test_rays_launcher_accepts_the_cluster(cluster: dict[str, Any]) -> None:
    validate_config(cluster)
    with pytest.raises(Exception, match="head_nod_type"):
        validate_config(cluster | {"head_nod_type": "head"})


def test_the_cluster_has_32_gpus_and_a_head_that_trains_nothing(cluster: dict[str, Any]) -> None:
    types = cluster["available_node_types"]
    gpus = sum(t.get("min_workers", 0) * t["resources"].get("GPU", 0) for t in types.values())
    assert gpus == 32
    assert types[cluster["head_node_type"]]["resources"]["CPU"] == 0


def test_its_dashboard_listens_on_loopback(cluster: dict[str, Any]) -> None:
    (start,) = (line for line in cluster["head_start_ray_commands"] if "--head" in line)
    assert "--dashboard-host=127.0.0.1" in start
