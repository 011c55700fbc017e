"""What travels to the workers of a running cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import se_nas
from se_nas.search.cluster.runtime_env import JOB, runtime_env


@pytest.mark.parametrize("submitted", [{}, {"runtime_env": {}}, {"runtime_env": {"pip": ["a"]}}])
def test_the_package_of_the_driver_travels(submitted: dict[str, Any]) -> None:
    sent = runtime_env({JOB: json.dumps(submitted)} if submitted else {})
    (folder,) = sent["py_modules"]
    assert Path(folder) == Path(se_nas.__file__).parent
    assert not {"pip", "conda", "uv"} & set(sent), "nothing is installed"


@pytest.mark.parametrize("key", ["working_dir", "py_modules"])
def test_what_a_submitted_job_brought_stays(key: str) -> None:
    sent = runtime_env({JOB: json.dumps({"runtime_env": {key: "gcs://_ray_pkg_1.zip"}})})
    assert "py_modules" not in sent
    assert sent["env_vars"]
