"""A search with two processes a trial, in which processes die and fail: ``faulty_ranks.py FOLDER``.

It prints each trial of the study as JSON, then the trials that a worker was started for.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from se_nas.search.cluster.ray_environment import configure_ray
from se_nas.search.cluster.slots import plan_slots

if __name__ == "__main__":
    configure_ray(None)

import ray
from rich.console import Console

from se_nas import Space, choice, trunk
from se_nas.search.config import DataSettings, SearchConfig
from se_nas.search.plan import Plan, SearchRun
from se_nas.search.run_dir import new_run
from se_nas.search.study import study
from se_nas.search.study.proposals import Proposals
from se_nas.search.tuning.tune import tune_trials
from se_nas.search.worker.process_group import RankActor, RankActors
from se_nas.search.worker.trial import SETrial

FOLDER = Path(sys.argv[1] if __name__ == "__main__" else ".")
# What happens in the second epoch of which trial.
PEER_KILLED, PEER_FAILS, PEER_HAS_NO_MEMORY, LEADER_KILLED = 1, 2, 3, 4


def first_time(what: str) -> bool:
    if (FOLDER / what).exists():
        return False
    (FOLDER / what).touch()
    return True


def killed_soon() -> None:
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGKILL)).start()


class FaultyRank(RankActor):
    def epoch(self) -> None:
        assert self.training is not None
        number = int((FOLDER / "number").read_text())
        if self.training.epochs_done == 1:
            if number == PEER_KILLED and first_time("peer killed"):
                killed_soon()
            if number == PEER_FAILS:
                raise ValueError("a bug in the peer")
            if number == PEER_HAS_NO_MEMORY:
                raise MemoryError("no room in the peer")
        super().epoch()


class FaultyRanks(RankActors):
    actor_type = FaultyRank


class FaultyTrial(SETrial):
    def setup(self, config: dict[str, Any], settings: Any = None, images: Any = None) -> None:
        with (FOLDER / "workers").open("a") as file:
            file.write(f"{config['number']}\n")
        super().setup(config, settings, images)
        self.ranks = FaultyRanks(settings)

    def _step(self) -> dict[str, Any]:
        (FOLDER / "number").write_text(str(self.number))
        if self.number == LEADER_KILLED and len(self.epochs) == 1 and first_time("leader killed"):
            killed_soon()
        return super()._step()


def main() -> None:
    space = Space("mine", trunk=trunk("resnet8_small", width=choice(*range(4, 12))))
    config = SearchConfig(
        data=DataSettings(limit_train=400),
        trials=6,
        epochs=3,
        first_rung=1.0,
        gpus=2,
        gpus_per_trial=2,
        out=sys.argv[1],
        dashboard=False,
        name="run",
        sampler="random",
    )
    plan = Plan.of(space, config)
    run = new_run.create(space, config)
    opened = study.create_study(space, config, run)
    quiet: Any = {"logging_level": "ERROR", "log_to_driver": False, "include_dashboard": False}
    ray.init("local", num_cpus=2, num_gpus=2, _node_ip_address="127.0.0.1", **quiet)
    slots = plan_slots(config, [{"CPU": 2.0, "GPU": 2.0}])
    proposals = Proposals(opened, space, plan.price, trials=config.trials)
    tune_trials(SearchRun(plan, run, slots, Console(quiet=True)), proposals, FaultyTrial)
    ray.shutdown()
    trials = [
        {
            "number": trial.number,
            "state": trial.state.name,
            "outcome": trial.user_attrs["outcome"],
            "values": sorted(trial.intermediate_values),
            "memory": trial.constraints.get("memory", 0.0),
        }
        for trial in opened.trials
        if "architecture" in trial.user_attrs
    ]
    print(json.dumps({"trials": trials, "workers": (FOLDER / "workers").read_text().split()}))


if __name__ == "__main__":
    main()
