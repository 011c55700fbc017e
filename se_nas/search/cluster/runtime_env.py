"""Ray's runtime environment, which carries this SE-NAS to the workers of a running cluster.

The nodes need torch, torchvision and Ray (``ray[default,tune]``), and nothing else that SE-NAS
depends on: only ``search/worker`` runs there. SE-NAS itself is sent, so workers run the driver's
version, and nothing is installed. A user's space file is not sent: it is read on the driver, and
workers get architectures as JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import se_nas

# Ray sets it when ``ray job submit`` starts a driver.
JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"


def runtime_env(environment: Mapping[str, str] = os.environ) -> dict[str, object]:
    """Return the runtime environment for the workers of a running cluster.

    A driver that ``ray job submit`` started with a ``working_dir`` or ``py_modules`` has its code
    on the nodes already: then none is sent.

    Args:
        environment: variables of this process.

    >>> [Path(path).name for path in runtime_env({})["py_modules"]]
    ['se_nas']
    """
    # CPU trials must not see a GPU that other people's work runs on: see ``configure_ray``.
    sent: dict[str, object] = {"env_vars": {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}}
    submitted = json.loads(environment.get(JOB, "{}")).get("runtime_env") or {}
    if not {"working_dir", "py_modules"} & set(submitted):
        sent["py_modules"] = [str(Path(se_nas.__file__).parent)]
        sent["excludes"] = ["__pycache__"]
    return sent
