"""A trial of two processes under Ray: a failure in them ends the trial, and the worker goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
from dataclasses import replace
from se_nas.search.cluster.ray_environment import configure_ray
configure_ray(None)
import ray
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy
from se_nas import Architecture
from se_nas.training.recipes import RECIPES
from se_nas.search.config import DataSettings, TrialSettings
from se_nas.search.worker.trial import SETrial

ray.init(address="local", include_dashboard=False, num_cpus=2, _node_ip_address="127.0.0.1",
         logging_level="ERROR", log_to_driver=False)
group = placement_group([{"CPU": 1}] * 2, strategy="STRICT_PACK")
ray.get(group.ready())
strategy = PlacementGroupSchedulingStrategy(group, 0)
settings = TrialSettings(DataSettings(limit_train=200), RECIPES["search"], epochs=2, processes=2)

@ray.remote(num_cpus=1, scheduling_strategy=strategy)
class Worker:
    def run(self):
        names = ["resnet8_small-width8", "resnet8_small-width400000", "resnet8_small-width8"]
        configs = [{"architecture": Architecture.parse(name).to_json()} for name in names]
        trial = object.__new__(SETrial)
        trial.setup(configs[0], settings)
        told = []
        for i, config in enumerate(configs):
            if i == 2:  # it diverges, in both processes
                recipe = replace(RECIPES["search"], learning_rate=1e12, warmup_epochs=0)
                trial.settings = trial.ranks.settings = replace(settings, recipe=recipe)
                trial.ranks.close()
            if i:
                trial.reset_config(config)
            result = {"done": False}
            while not result["done"]:
                result = trial.step()
            told.append(f"{result['end'] or 'complete'} {result['epoch']}")
        return told

print(*ray.get(Worker.remote().run.remote()), sep=", ")
"""


def test_how_trials_of_two_processes_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "complete 2, out_of_memory 0, not_finite 0"


HANGS = """
import os, signal, time
from se_nas.search.cluster.ray_environment import configure_ray
configure_ray(None)
import ray
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy
from se_nas.training.recipes import RECIPES
from se_nas.search.worker.process_group import RankActor, RankActors
from se_nas.search.config import DataSettings, TrialSettings

ray.init(address="local", include_dashboard=False, num_cpus=2, _node_ip_address="127.0.0.1",
         logging_level="ERROR", log_to_driver=False)
group = placement_group([{"CPU": 1}] * 2, strategy="STRICT_PACK")
ray.get(group.ready())
settings = TrialSettings(DataSettings(), RECIPES["search"], epochs=1, processes=2)

class Dying(RankActor):
    def epoch(self):
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGKILL)

class DyingRanks(RankActors):
    actor_type = Dying

@ray.remote(num_cpus=1, scheduling_strategy=PlacementGroupSchedulingStrategy(group, 0))
class Worker:
    def open(self):
        self.ranks = DyingRanks(settings)
        self.ranks.open()
    def run(self):
        self.ranks.run_on_all_ranks("epoch", lambda: time.sleep(600))  # as NCCL would

worker = Worker.remote()
ray.get(worker.open.remote())
try:
    ray.get(worker.run.remote(), timeout=120)
except ray.exceptions.RayError as error:
    print(type(error).__name__, flush=True)
"""


def test_process_0_ends_when_its_peer_dies_though_it_hangs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    assert "ActorDiedError" in done.stdout.splitlines()


FAILS_TO_JOIN = """
from se_nas.search.cluster.ray_environment import configure_ray
configure_ray(None)
import ray
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy
from se_nas.training.recipes import RECIPES
from se_nas.search.worker.process_group import RankActor, RankActors
from se_nas.search.config import DataSettings, TrialSettings

ray.init(address="local", include_dashboard=False, num_cpus=3, _node_ip_address="127.0.0.1",
         logging_level="ERROR", log_to_driver=False)
group = placement_group([{"CPU": 1}] * 3, strategy="STRICT_PACK")
ray.get(group.ready())
settings = TrialSettings(DataSettings(), RECIPES["search"], epochs=1, processes=3)

class Failing(RankActor):
    def join(self):
        if self.group[0] == 1:
            raise ValueError("no such device")
        super().join()

@ray.remote(num_cpus=1, scheduling_strategy=PlacementGroupSchedulingStrategy(group, 0))
class Worker:
    def run(self, kind):
        ranks = RankActors(settings)
        ranks.actor_type = kind
        try:
            ranks.open()
            return "joined"
        except Exception as error:
            return repr(error)
        finally:
            ranks.close()

worker = Worker.remote()
for kind in Failing, RankActor:
    print(ray.get(worker.run.remote(kind), timeout=120), flush=True)
"""


def test_process_0_says_why_a_peer_cannot_enter_its_group_and_goes_on() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILS_TO_JOIN], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["ValueError('no such device')", "joined"]


@pytest.mark.timeout(600)
def test_a_search_in_which_processes_of_trials_die_and_fail(tmp_path: Path) -> None:
    script = Path(__file__).with_name("faulty_ranks.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=540
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    ends = [(t["number"], t["state"], t["values"]) for t in told["trials"]]
    whole = [1, 2, 3]
    assert ends == [
        (0, "COMPLETE", whole),
        (1, "COMPLETE", whole),  # its peer was killed
        (2, "FAIL", [1]),
        (3, "PRUNED", [1]),
        (4, "COMPLETE", whole),  # its process 0 was killed
        (5, "COMPLETE", whole),
    ]
    assert [t["number"] for t in told["trials"] if t["memory"] > 0] == [3]
    assert told["trials"][3]["outcome"]["end"] == "out_of_memory"
    # A worker for the first trial, and one for each that died, once: no other trial lost its own.
    assert told["workers"] == ["0", "1", "4"]
    errors = list((tmp_path / "run" / "errors").iterdir())
    assert [file.name for file in errors] == ["trial-00002.txt"]
    text = errors[0].read_text()
    assert "FaultyRank.epoch()" in text
    assert "ValueError: a bug in the peer" in text
