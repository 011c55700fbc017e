"""A device of its own: what is reserved, and what the worker there says."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from se_nas import InputError
from se_nas.architecture.architecture import Architecture
from se_nas.latency.table import Latency
from se_nas.search.cluster.slots import Slots
from se_nas.search.pricing.exclusive_device import RayMeasurer, whole_device


@pytest.mark.parametrize(
    ("slots", "expected"),
    [
        (Slots(4, 1.0, 0.0), {"num_gpus": 0, "num_cpus": 8.0}),
        (Slots(4, 2.0, 0.25), {"num_gpus": 1, "num_cpus": 2.0}),
    ],
)
def test_a_measurement_reserves_the_whole_device(slots: Slots, expected: dict[str, float]) -> None:
    nodes = [{"CPU": 4.0, "GPU": 1.0}, {"CPU": 8.0}]
    assert whole_device(slots, nodes) == expected
    assert whole_device(slots, nodes, on_cpu=True) == {"num_gpus": 0, "num_cpus": 8.0}


class Reference:
    """What a remote call returns, and what ``ray.get`` then does."""

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome

    def remote(self, *_: object) -> Reference:
        return self


def get(reference: Reference, timeout: float | None) -> object:
    if isinstance(reference.outcome, Exception):
        raise reference.outcome
    return reference.outcome


def measured(outcome: object) -> object:
    actor: Any = SimpleNamespace(measure=Reference(outcome))
    return RayMeasurer(actor, patience=7).measure(Architecture("resnet8_small"))


def test_what_the_worker_raises_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "get", get)
    assert measured(Latency(1, 1, 1)) == Latency(1, 1, 1)
    assert measured(ray.exceptions.OutOfMemoryError("killed")) is None
    for error, words in (
        (ray.exceptions.RayTaskError("measure", "traceback", InputError("as it is")), "^as it is$"),
        (ray.exceptions.RayTaskError("measure", "traceback", ValueError("a\nb")), "measured: a$"),
        (ray.exceptions.RayTaskError("measure", "traceback", KeyError()), "measured: KeyError$"),
        (ray.exceptions.RayActorError(), "the worker died"),
        (ray.exceptions.ObjectLostError("ab", None, ""), "the worker died"),
        (ray.exceptions.GetTimeoutError("late"), "measured: no answer for 7 s$"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            measured(error)
        assert "\n" not in str(caught.value)


ALONE = """
import glob, os, signal, sys, tempfile, threading, time
from se_nas.search.cluster.ray_environment import configure_ray
configure_ray(None)
import ray
from se_nas import Architecture, InputError
from se_nas.latency.settings import LatencySettings, Signature
from se_nas.search.pricing import exclusive_device
from se_nas.search.cluster.connection import connected
from se_nas.search.config import SearchConfig

what = Signature(8, 1, 10), LatencySettings()
exclusive_device.WAIT_S = 1.0

with connected(SearchConfig(gpus=0, dashboard=False)) as slots:
    other = ray.remote(num_cpus=0.01)(lambda: "other")
    with exclusive_device.exclusive_measurer(*what, slots, print) as measurer:
        print(measurer.identity()["torch"])
        task = other.remote()
        print("beside", len(ray.wait([task], timeout=2)[0]))
    print("after", ray.get(task))
    files = os.path.join(tempfile.gettempdir(), "se-nas-latency-*")
    before = set(glob.glob(files))
    onnx = what[0], LatencySettings(backend="onnxruntime", warm_up=0, repeats=1)
    with exclusive_device.exclusive_measurer(*onnx, slots, len) as measurer:
        print(measurer.measure(Architecture("resnet8_small")).median_ms > 0)
        print("files", len(set(glob.glob(files)) - before))
    print("left", len(set(glob.glob(files)) - before))
    busy = ray.remote(num_cpus=0.01)(lambda: time.sleep(100)).remote()
    time.sleep(5)
    try:
        with exclusive_device.exclusive_measurer(*what, slots, print, patience=3):
            print("free")
    except InputError as error:
        print(error)
    threading.Timer(4, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        with exclusive_device.exclusive_measurer(*what, slots, print):
            print("free")
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.slow
def test_nothing_else_runs_on_the_device_meanwhile_and_the_wait_for_it_can_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=200, check=True
    )
    cpus = os.cpu_count()
    assert done.stdout.splitlines()[-9:] == [
        *("beside 0", "after other", "True", "files 1", "left 0"),
        f"waiting for a device that is free: {cpus} CPU on one node, 3 s at most (Ctrl-C ends it)",
        f"no device was free for 3 s ({cpus} CPU on one node)",
        f"waiting for a device that is free: {cpus} CPU on one node (Ctrl-C ends it)",
        "interrupted",
    ]
