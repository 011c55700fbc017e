"""The table of SE-Bench: written and read alike, looked up by name and by what a network is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from se_nas import SE, Architecture, InputError
from se_nas.bench.table import Network, SEBench, Training, load, pack
from se_nas.cost.network_cost import cost

NAMES = ("resnet8_small", "se_resnet8_small_r2", "se_resnet8_small-width8_s3_r8_pre_max")


def network(name: str, number: int) -> Network:
    trainings = tuple(
        Training(
            seed,
            (1.5, 1.0 + 0.25 * number),
            (0.5, 0.7123),
            round(0.7 + 0.05 * number + 0.0001 * seed, 4),
            8.0 + seed,
        )
        for seed in (0, 1, 2)
    )
    return Network(Architecture.parse(name), 1000 + number, 5000, 1.5, trainings)


@pytest.fixture
def bench() -> SEBench:
    return SEBench(tuple(network(name, i) for i, name in enumerate(NAMES)))


def test_what_is_written_is_read(bench: SEBench, tmp_path: Path) -> None:
    pack(bench, tmp_path / "t.npz")
    found = load(tmp_path / "t.npz")
    assert found.networks == bench.networks


def test_a_network_is_found_by_its_name_and_by_what_it_is(bench: SEBench) -> None:
    by_hand = Architecture("resnet8_small", (SE(2), SE(2), SE(2)))
    assert bench[by_hand] is bench[NAMES[1]] is bench.networks[1]
    assert by_hand in bench
    assert Architecture.parse("resnet18") not in bench
    assert (len(bench), list(bench)) == (3, list(bench.networks))


def test_averages_are_those_of_the_seeds(bench: SEBench) -> None:
    one = bench[NAMES[1]]
    assert one.test_acc == pytest.approx(0.7501)
    assert one.val_acc == pytest.approx(0.7123)
    assert one.seconds == 9.0
    assert bench.best is bench.networks[2]


def test_what_is_not_in_the_table_is_one_line_with_the_nearest(bench: SEBench) -> None:
    with pytest.raises(InputError, match=r"no network se_resnet8_small_r4; .*_r2$"):
        bench["se_resnet8_small_r4"]
    with pytest.raises(InputError, match="unknown"):
        bench["resnet8_smal"]


def test_the_packaged_table_has_500_networks_of_three_seeds_each() -> None:
    bench = load()
    assert len({each.architecture.id for each in bench}) == len(bench) >= 500
    for each in bench:
        assert [t.seed for t in each.trainings] == [0, 1, 2]
        assert {(len(t.val_acc), len(t.val_loss)) for t in each.trainings} == {(8, 8)}
        assert each.latency_ms > 0
    assert 0.7 < min(each.test_acc for each in bench) < bench.best.test_acc < 0.9


def test_the_packaged_table_has_the_costs_that_the_package_counts() -> None:
    for each in load().networks[::50]:
        found = cost(each.architecture, input_size=10, in_channels=1, num_classes=10)
        assert (each.params, each.macs) == (found.params, found.macs)


@pytest.mark.parametrize("content", [None, b"", b"no table", "other arrays"])
def test_a_file_that_is_no_table_is_one_line(content: object, tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        np.savez(path, other=np.zeros(3))
    with pytest.raises(InputError, match=r"table of SE-Bench '.*t\.npz' cannot be read") as error:
        load(path)
    assert "\n" not in str(error.value)
