"""Trained networks by the words of a user: a file, a training's folder, or a search's run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from se_nas.data import Data
from se_nas.data_settings import DataSettings
from se_nas.documents import read_json
from se_nas.errors import InputError
from se_nas.files import expand_home
from se_nas.models.saving import load
from se_nas.nn.model import Model
from se_nas.tasks.card import CARD, Card
from se_nas.tasks.train import SETTINGS, read_data
from se_nas.tasks.train_config import TrainConfig

RESULTS, WINNER = "results.json", "winner.safetensors"


@dataclass(frozen=True)
class Trained:
    """A network with its weights.

    Attributes:
        file: its weights.
        config: of its training, which says its data; of a search's winner its data alone; None
            where nobody knows.
        told: accuracies in the test that its folder says it has; one of them is its own.
    """

    model: Model
    file: Path
    config: TrainConfig | None = None
    told: tuple[float, ...] = ()


def trained(name: str) -> Trained:
    """Load a network.

    Args:
        name: a file of ours, the folder of a training (its first seed that is complete), or of a
            search (its winner).

    Raises:
        InputError: there is no such thing, or it holds no network.
    """
    path = Path(expand_home(name))
    if (path / CARD).is_file():
        card = Card.read(path)
        run = next((run for run in card.runs if run.weights is not None), None)
        if run is None or run.weights is None or run.test_acc is None:
            raise InputError(f"{name!r}: no training in it came to its end")
        file = path / run.weights
        return Trained(load(file), file, card.config, (run.test_acc,))
    if (path / WINNER).is_file():
        config = _data_of_search(path / SETTINGS)
        return Trained(load(path / WINNER), path / WINNER, config, _of_winner(path / RESULTS))
    if path.is_dir():
        raise InputError(
            f"{name!r} is no folder of a training or of a search that is complete: there is no "
            f"{CARD} and no {WINNER} in it"
        )
    return Trained(load(path), path)


def data_of(
    found: Trained,
    name: str,
    data: str | None = None,
    data_dir: str | None = None,
    image_size: int | None = None,
    split_seed: int = 0,
) -> Data:
    """Return the images for a network: a data set by name, or those that it was trained on.

    Args:
        name: what the user calls the network, for an error.
        image_size: the network's own if not given.
        split_seed: of the cut of a data set by name.

    Raises:
        InputError: nobody says which images, or they cannot be read.
    """
    folder = data_dir and expand_home(data_dir)
    if data is not None:
        told = found.model.preprocessing
        size = told.image_size if image_size is None and told is not None else image_size
        return read_data(TrainConfig("", DataSettings(data, folder, size), split_seed=split_seed))
    if found.config is None:
        raise InputError(f"--data is missing: {name!r} does not say what it was trained on")
    known = found.config.data
    folder, size = folder or known.data_dir, image_size or known.image_size
    return read_data(replace(found.config, data=replace(known, data_dir=folder, image_size=size)))


def _data_of_search(settings: Path) -> TrainConfig | None:
    """Return what a search trained on; None if it does not say, or its user gave an object."""
    try:
        found = read_json(settings.read_text(encoding="utf-8"))
        data = DataSettings(**found["data"])
        return None if data.is_object else TrainConfig("", data, split_seed=found["seed"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _of_winner(results: Path) -> tuple[float, ...]:
    """Return the winner's accuracies in the test; none if the results do not say."""
    try:
        found = read_json(results.read_text(encoding="utf-8"))
        finals = [final for final in found["finals"] if final["name"] == found["winner"]]
        return tuple(map(float, finals[0]["test_accs"]))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return ()
