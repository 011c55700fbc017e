"""The table of SE-Bench: how each network trained, with three seeds.

    bench = se_nas.bench.load()
    network = bench["se_resnet8_small_s34_r2"]
    network.test_acc, network.trainings[0].val_acc

It is one file of numpy arrays inside the package; docs/se_bench.md says how it was made.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

import numpy as np

from se_nas.architecture.architecture import Architecture
from se_nas.errors import InputError

FILE = Path(__file__).with_name("se_bench.npz")


@dataclass(frozen=True)
class Training:
    """One training of a network.

    Attributes:
        seed: of the weights, the order of the images and their augmentation.
        val_loss, val_acc: by epoch; accuracies are in [0, 1].
        test_acc: of the last epoch, on images that nothing was chosen by.
        seconds: CPU time of all epochs on one thread, validation included.
    """

    seed: int
    val_loss: tuple[float, ...]
    val_acc: tuple[float, ...]
    test_acc: float
    seconds: float


@dataclass(frozen=True)
class Network:
    """A network of the table.

    Attributes:
        architecture: what it is.
        params, macs: its cost, on one image of the table's size.
        latency_ms: of a batch of 64 on one thread of the CPU that docs/se_bench.md names.
        trainings: one for each seed.
    """

    architecture: Architecture
    params: int
    macs: int
    latency_ms: float
    trainings: tuple[Training, ...]

    @property
    def val_acc(self) -> float:
        """Validation accuracy after the last epoch, averaged over the seeds."""
        return statistics.fmean(training.val_acc[-1] for training in self.trainings)

    @property
    def test_acc(self) -> float:
        """Test accuracy, averaged over the seeds."""
        return statistics.fmean(training.test_acc for training in self.trainings)

    @property
    def seconds(self) -> float:
        """Training time: the median over the seeds, for the machine was not always as fast."""
        return statistics.median(training.seconds for training in self.trainings)


@dataclass(frozen=True)
class SEBench:
    """All networks of the table; ``bench[architecture]`` or ``bench[name]`` is one."""

    networks: tuple[Network, ...]

    @cached_property
    def _by_id(self) -> Mapping[str, Network]:
        return {network.architecture.id: network for network in self.networks}

    def __len__(self) -> int:
        return len(self.networks)

    def __iter__(self) -> Iterator[Network]:
        return iter(self.networks)

    def __contains__(self, architecture: Architecture) -> bool:
        return architecture.id in self._by_id

    def __getitem__(self, architecture: Architecture | str) -> Network:
        """Return a network.

        Raises:
            InputError: it is not in the table, or its name is none.
        """
        if isinstance(architecture, str):
            architecture = Architecture.parse(architecture)
        if architecture.id not in self._by_id:
            raise InputError(f"SE-Bench has no network {architecture}; {self._near(architecture)}")
        return self._by_id[architecture.id]

    def _near(self, architecture: Architecture) -> str:
        names = [str(network.architecture) for network in self.networks]
        near = get_close_matches(str(architecture), names, 1)
        return f"the nearest is {near[0]}" if near else f"one of {len(self)} is {names[0]}"

    @property
    def best(self) -> Network:
        """The network with the best test accuracy, averaged over the seeds."""
        return max(self.networks, key=lambda network: network.test_acc)


def load(path: str | Path = FILE) -> SEBench:
    """Read the table.

    Args:
        path: a file that ``pack`` wrote; that of the package if not given.

    Raises:
        InputError: the file is missing or is no such table.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            columns = {name: arrays[name] for name in arrays.files}
        return SEBench(tuple(_networks(columns)))
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise InputError(f"table of SE-Bench {str(path)!r} cannot be read: {error}") from None


def pack(networks: SEBench, path: Path) -> None:
    """Write a table; every network has the same seeds and epochs."""
    rows = [network.trainings for network in networks]
    np.savez_compressed(
        path,
        names=np.array([str(network.architecture) for network in networks]),
        params=np.array([network.params for network in networks]),
        macs=np.array([network.macs for network in networks]),
        latency_ms=np.array([network.latency_ms for network in networks]),
        seeds=np.array([training.seed for training in rows[0]]),
        val_loss=np.array([[t.val_loss for t in row] for row in rows], np.float32),
        val_acc=np.array([[t.val_acc for t in row] for row in rows], np.float32),
        test_acc=np.array([[t.test_acc for t in row] for row in rows], np.float32),
        seconds=np.array([[t.seconds for t in row] for row in rows], np.float32),
    )


def _networks(columns: Mapping[str, np.ndarray]) -> Iterator[Network]:
    lists = {name: column.tolist() for name, column in columns.items()}
    for i, name in enumerate(lists["names"]):
        trainings = tuple(
            Training(
                seed,
                tuple(lists["val_loss"][i][s]),
                tuple(_accuracy(each) for each in lists["val_acc"][i][s]),
                _accuracy(lists["test_acc"][i][s]),
                lists["seconds"][i][s],
            )
            for s, seed in enumerate(lists["seeds"])
        )
        yield Network(
            Architecture.parse(name),
            lists["params"][i],
            lists["macs"][i],
            lists["latency_ms"][i],
            trainings,
        )


def _accuracy(stored: float) -> float:
    """Return the share of images that a 32-bit number was made of: there are at most 10,000."""
    return stored if math.isnan(stored) else round(stored, 5)
