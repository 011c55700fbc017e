"""How trials share what a cluster has."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from se_nas import InputError
from se_nas.search.cluster import connection
from se_nas.search.cluster.connection import connected
from se_nas.search.cluster.slots import Slots, plan_slots
from se_nas.search.config import SearchConfig
from se_nas.signals import Interrupted, raise_on_signal


@pytest.mark.parametrize(
    ("config", "nodes", "count", "cpus", "gpus"),
    [
        (SearchConfig(gpus=0), [{"CPU": 2.0, "GPU": 4.0}], 2, 1.0, 0.0),
        (SearchConfig(), [{"CPU": 2.0}], 2, 1.0, 0.0),
        (SearchConfig(gpus=32), [{"CPU": 2.0, "GPU": 32.0}], 32, 0.062, 1.0),
        (SearchConfig(), [{"CPU": 64.0, "GPU": 8.0}], 8, 8.0, 1.0),
        (SearchConfig(gpus=2, gpus_per_trial=0.25), [{"CPU": 16.0, "GPU": 8.0}], 8, 0.5, 0.25),
        (SearchConfig(gpus=1, gpus_per_trial=0.25), [{"CPU": 4.0, "GPU": 1.0}], 4, 1.0, 0.25),
        # More trials than CPUs: a fraction of one each.
        (SearchConfig(gpus=1, gpus_per_trial=0.25), [{"CPU": 2.0, "GPU": 1.0}], 4, 0.5, 0.25),
        (SearchConfig(gpus=0, concurrency=1), [{"CPU": 8.0}], 1, 1.0, 0.0),
        (SearchConfig(gpus=0, cpus_per_trial=0.5), [{"CPU": 2.0}], 4, 0.5, 0.0),
        # A head without GPUs gives no CPUs to trials that need a GPU.
        (SearchConfig(), [{"CPU": 64.0}, {"CPU": 4.0, "GPU": 8.0}], 8, 0.5, 1.0),
        # Four CPUs a trial fit on no node of two, and one trial on a node of seven.
        (SearchConfig(gpus=0, cpus_per_trial=4), [{"CPU": 2.0}, {"CPU": 7.0}], 1, 4.0, 0.0),
        # Two trials of 0.4 fit on a GPU, not five on two.
        (SearchConfig(gpus_per_trial=0.4), [{"CPU": 8.0, "GPU": 2.0}], 4, 2.0, 0.4),
        # A trial of two GPUs stands on one node: three GPUs have room for one.
        (
            SearchConfig(gpus_per_trial=2),
            [{"CPU": 8.0, "GPU": 3.0}, {"CPU": 8.0, "GPU": 4.0}],
            3,
            4,
            2,
        ),
        (SearchConfig(gpus=4, gpus_per_trial=2), [{"CPU": 2.0, "GPU": 32.0}], 2, 0.125, 2),
    ],
)
def test_slots(
    config: SearchConfig, nodes: list[dict[str, float]], count: int, cpus: float, gpus: float
) -> None:
    given = plan_slots(config, nodes)
    assert (given.count, given.cpus, given.gpus) == (count, cpus, gpus)
    processes = max(1, int(gpus))
    each = {"CPU": cpus / processes} | ({"GPU": gpus / processes} if gpus else {})
    assert given.resources == [each] * processes


def test_too_few_gpus_is_one_line_with_the_ways_on() -> None:
    with pytest.raises(InputError) as caught:
        plan_slots(SearchConfig(gpus=32), [{"CPU": 2.0, "GPU": 1.0}])
    message = str(caught.value)
    assert "`gpus=32`: the cluster has 1 GPU and 2 CPUs" in message
    assert "`gpus=1`, `gpus=0`" in message
    assert "`address`" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "config", [SearchConfig(gpus=0, cpus_per_trial=3), SearchConfig(gpus=1, cpus_per_trial=2.5)]
)
def test_a_trial_that_fits_nowhere_is_an_error(config: SearchConfig) -> None:
    with pytest.raises(InputError, match="a trial needs"):
        plan_slots(config, [{"CPU": 2.0, "GPU": 1.0}, {"CPU": 2.0}])


@pytest.mark.parametrize(
    ("config", "nodes", "words"),
    [
        (SearchConfig(gpus_per_trial=2), [{"CPU": 2.0}], "no node has more than 0"),
        (SearchConfig(gpus_per_trial=4), [{"CPU": 8.0, "GPU": 2.0}] * 3, "no node has more than 2"),
        (SearchConfig(gpus=8, gpus_per_trial=4), [{"CPU": 8.0, "GPU": 2.0}] * 4, "more than 2"),
        (SearchConfig(gpus=1, gpus_per_trial=2), [{"CPU": 8.0, "GPU": 8.0}], "`gpus` is 1"),
    ],
)
def test_the_gpus_of_a_trial_are_on_one_node(
    config: SearchConfig, nodes: list[dict[str, float]], words: str
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        plan_slots(config, nodes)
    assert str(caught.value).startswith(f"`gpus_per_trial={config.gpus_per_trial:g}`: ")


def test_a_trial_on_cpus_is_one_process() -> None:
    with pytest.raises(InputError, match="gpus is 0, but gpus_per_trial is 2"):
        SearchConfig(gpus=0, gpus_per_trial=2)


def test_nodes_with_too_few_gpus_are_left_aside() -> None:
    nodes = [{"CPU": 1.0, "GPU": 1.0}, {"CPU": 16.0, "GPU": 4.0}]
    assert plan_slots(SearchConfig(gpus_per_trial=2), nodes) == Slots(2, 8.0, 2)


def test_a_dashboard_host_of_another_machine_is_one_line() -> None:
    with (
        pytest.raises(InputError, match=r"`dashboard_host='203\.0\.113\.7'`: .*0\.0\.0\.0"),
        connected(SearchConfig(gpus=0, dashboard_host="203.0.113.7")),
    ):
        pass


def test_a_cluster_that_this_process_has_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "shutdown", pytest.fail)
    with pytest.raises(InputError, match=r"ray\.shutdown"), connected(SearchConfig(gpus=0)):
        pass


@pytest.mark.parametrize("when", ["start", "resources", "shutdown"])
def test_sigterm_while_ray_starts_or_ends_is_not_left_to_rays_handler(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = tmp_path / "ray" / "session_1"
    session.mkdir(parents=True)

    def now(stage: str) -> None:
        if stage == when:
            signal.raise_signal(signal.SIGTERM)

    def init(**_: object) -> Any:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))  # as Ray's does
        now("start")
        return SimpleNamespace(dashboard_url="", address_info={"session_dir": str(session)})

    def living() -> list[dict[str, float]]:
        now("resources")
        return [{"CPU": 2.0}]

    ended: list[bool] = []

    def shutdown() -> None:
        ended.append(True)
        now("shutdown")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", shutdown)
    monkeypatch.setattr(connection, "living_nodes", living)
    before = signal.getsignal(signal.SIGTERM)

    with raise_on_signal(), pytest.raises(Interrupted), connected(SearchConfig(gpus=0)):
        assert when == "shutdown"
    assert ended
    assert session.exists() == (when == "start")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_users_own_training_has_all_gpus_of_a_trial_in_one_process() -> None:
    config = SearchConfig(gpus=4, gpus_per_trial=2, train="my_train")
    slots = plan_slots(config, [{"CPU": 8.0, "GPU": 4.0}])
    assert (slots.count, slots.processes, config.processes) == (2, 1, 1)
    assert slots.resources == [{"CPU": 4.0, "GPU": 2.0}]
    with pytest.raises(InputError, match="no node has more than 1"):
        plan_slots(SearchConfig(gpus_per_trial=2, train="f"), [{"CPU": 8.0, "GPU": 1.0}] * 2)
