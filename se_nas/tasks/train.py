"""Trainings of one network with several seeds, in a folder that can be taken up.

A folder has ``settings.json``, and for each seed a checkpoint while it trains and its weights when
it is done; ``card.json`` comes last. Each epoch is a function of the seed and its number, so what
was killed and goes on is, on a CPU, bit for bit what it had been.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from se_nas.architecture.architecture import Architecture
from se_nas.console import shell_word
from se_nas.cost.network_cost import cost
from se_nas.data import Data, load
from se_nas.data.content_hash import content_hash
from se_nas.documents import read_json
from se_nas.errors import InputError
from se_nas.files import replace_atomically
from se_nas.models.saving import save
from se_nas.models.weights import load_weights
from se_nas.models.weights_source import weights_from
from se_nas.provenance import versions
from se_nas.settings import TORCHVISION
from se_nas.tasks.card import CARD, Card, Run, hardware
from se_nas.tasks.checkpoint import read_checkpoint, write_checkpoint
from se_nas.tasks.processes import count, is_first, joined, of_first, started_by
from se_nas.tasks.statistics import summary
from se_nas.tasks.train_config import TrainConfig
from se_nas.texts import written
from se_nas.training.data_parallel import DistributedTraining
from se_nas.training.epoch import EpochMetrics, NonFiniteLoss
from se_nas.training.evaluation import default_device
from se_nas.training.train import Training

SETTINGS = "settings.json"
Say = Callable[[str], None]


def new_folder(config: TrainConfig) -> Path:
    """Return the folder of a new training."""
    return Path(config.out) / (config.name or _name(config))


def train(config: TrainConfig, folder: Path, say: Say = lambda line: None) -> Card:
    """Train a network with all seeds of the settings; return the card, which is in the folder.

    Args:
        folder: where everything goes; it must not be there yet.
        say: is told of each epoch and each end, in a line.

    Raises:
        InputError: a setting that does not fit, data that cannot be read, weights of another
            network, a folder that cannot be written.
    """
    with joined(config.device):
        folder = Path(of_first(str(folder)))  # its name may have the time in it
        architecture, data = Architecture.parse(config.model), read_data(config)
        _started(config, architecture, data, config.seed)  # weights that do not fit are told first
        if is_first():
            _make(folder, {"settings": config.to_dict(), "data": content_hash(data)})
        of_first(None)  # the others wait for the folder
        return _finish(config, architecture, data, folder, say)


def _make(folder: Path, settings: Mapping[str, Any]) -> None:
    try:
        folder.mkdir(parents=True)
        replace_atomically(folder / SETTINGS, json.dumps(settings, indent=1).encode())
    except FileExistsError:
        raise InputError(
            f"the run {str(folder)!r} is there already: go on with --resume, or give another name"
        ) from None
    except OSError as error:
        raise InputError(f"the run {str(folder)!r} cannot be made: {error.strerror}") from None


def resume(folder: Path, say: Say = lambda line: None) -> Card:
    """Go on with a training that was cut, with the settings that it began with.

    Raises:
        InputError: there is none, its files are damaged, or its data has changed.
    """
    try:
        found = read_json((folder / SETTINGS).read_text(encoding="utf-8"))
        config, before = TrainConfig.from_dict(found["settings"]), str(found["data"])
    except InputError:
        raise
    except OSError as error:
        raise InputError(
            f"{str(folder)!r} is no training that can go on: {SETTINGS}: {error.strerror}"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{str(folder / SETTINGS)!r} is damaged: {error}") from None
    if (folder / CARD).exists():
        say(f"{folder} is complete")
        return Card.read(folder)
    with joined(config.device):
        data = read_data(config)
        if content_hash(data) != before:
            raise InputError(
                f"the images are not those that the run {str(folder)!r} began with "
                f"({content_hash(data)}, not {before}); put them back, or start a new run"
            )
        return _finish(config, Architecture.parse(config.model), data, folder, say)


def read_data(config: TrainConfig) -> Data:
    """Read the images of the settings; every picture is looked at."""
    given = config.data
    return load(
        given.name,
        given.data_dir,
        seed=config.split_seed,
        val_images=given.val_images,
        image_size=given.image_size,
        limit_train=given.limit_train,
        skip_corrupt=given.skip_corrupt,
        check_pictures=True,
    )


def _finish(
    config: TrainConfig, architecture: Architecture, data: Data, folder: Path, say: Say
) -> Card:
    say(f"{architecture} on {data.summary()}")
    with _alone(folder):
        runs = tuple(
            _run(config, architecture, data, folder, say, seed) for seed in config.all_seeds
        )
        tested = [run.test_acc for run in runs if run.test_acc is not None]
        price = cost(
            architecture,
            input_size=data.image_size,
            in_channels=data.in_channels,
            num_classes=data.num_classes,
        )
        card = Card(
            config,
            architecture.to_json(),
            price.params,
            price.macs,
            {"summary": data.summary(), "content": content_hash(data), "skipped": [*data.skipped]},
            runs,
            summary(tested, len(data.test)) if tested else None,
            versions(),
            hardware(_device(config).type, torch.get_num_threads(), count()),
            " ".join(map(shell_word, [*started_by(), *sys.argv])),
        )
        try:
            if is_first():
                card.write(folder)
        except OSError as error:
            raise InputError(
                f"the card in {str(folder)!r} cannot be written: {error.strerror}"
            ) from None
        of_first(None)  # no process reads a checkpoint any more
        for run in runs:
            _checkpoint(folder, run.seed).unlink(missing_ok=True)
    return card


def _run(
    config: TrainConfig, architecture: Architecture, data: Data, folder: Path, say: Say, seed: int
) -> Run:
    """Train with one seed, from its checkpoint if there is one."""
    training = _started(config, architecture, data, seed)
    path, curve = _checkpoint(folder, seed), []
    state = read_checkpoint(path)
    of_first(None)  # before the first writes it anew
    if state is not None:
        if "run" in state:
            return Run(**state["run"])
        training.load_state_dict(state["training"])
        curve = state["curve"]
        say(f"seed {seed}: goes on after epoch {training.epochs_done}")
    with _board(config, folder, seed) as board:
        try:
            while not training.finished:
                metrics = training.epoch()
                curve.append(_row(metrics))
                _keep(path, {"training": training.state_dict(), "curve": curve})
                board(curve[-1], metrics.epoch)
                say(_line(seed, metrics, config.budget))
        except NonFiniteLoss as error:
            say(f"seed {seed}: {error}; try a lower learning rate or a longer warm-up")
            run = Run(seed, str(error), curve=curve)
            _keep(path, {"run": vars(run)})
            return run
    test, weights = training.test(), f"seed-{seed}.safetensors"
    if is_first():
        save(training.result, folder / weights, data.preprocessing)
    run = Run(seed, "complete", curve[-1]["val_acc"], test.accuracy, test.loss, curve, weights)
    _keep(path, {"run": vars(run)})
    say(f"seed {seed}: {100 * test.accuracy:.2f} % of {test.images:,} test images are right")
    return run


def _started(config: TrainConfig, architecture: Architecture, data: Data, seed: int) -> Training:
    """Return a training that has not begun, from the weights to start from."""
    init = config.init or TORCHVISION
    if not init.startswith(TORCHVISION) and not os.path.isfile(init):
        raise InputError(f"init {written(init)}: there is no such file")
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    kind = DistributedTraining if count() > 1 else Training
    training = kind(
        architecture, data, config.recipe, epochs=config.budget, seed=seed, device=_device(config)
    )
    if config.init is not None:
        weights = weights_from("init", config.init)
        load_weights(training.model, weights, missing_se="identity", new_head=config.new_head)
    if config.compile:
        training.network = torch.compile(training.network)  # type: ignore[assignment]
    return training


def _device(config: TrainConfig) -> torch.device:
    if config.device == "auto":
        return default_device()
    if config.device == "cuda" and not torch.cuda.is_available():
        raise InputError("device is 'cuda', but torch sees no GPU here; give cpu or auto")
    return torch.device(config.device)


def _keep(path: Path, content: Mapping[str, Any]) -> None:
    if is_first():
        write_checkpoint(path, content)


def _checkpoint(folder: Path, seed: int) -> Path:
    return folder / f"seed-{seed}.pt"


def _row(metrics: EpochMetrics) -> dict[str, float]:
    return {
        "train_loss": metrics.train_loss,
        "val_loss": metrics.val_loss,
        "val_acc": metrics.val_acc,
        "seconds": metrics.seconds,
    }


def _line(seed: int, metrics: EpochMetrics, epochs: int) -> str:
    return (
        f"seed {seed}  epoch {metrics.epoch:>3}/{epochs}  train_loss {metrics.train_loss:.3f}  "
        f"val_loss {metrics.val_loss:.3f}  val_acc {100 * metrics.val_acc:.2f} %  "
        f"{metrics.seconds:.1f} s"
    )


def _name(config: TrainConfig) -> str:
    model = re.sub(r"[^A-Za-z0-9._-]+", "-", config.model)[:80]
    return f"{model}-{config.data.title}-{datetime.now():%Y%m%d-%H%M%S}"


@contextlib.contextmanager
def _board(
    config: TrainConfig, folder: Path, seed: int
) -> Iterator[Callable[[Mapping[str, float], int], None]]:
    """Yield what writes an epoch to TensorBoard, or nothing."""
    if not config.tensorboard or not is_first():
        yield lambda row, epoch: None
        return
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise InputError(
            "`tensorboard` needs a package that is not installed: pip install tensorboardX"
        ) from None
    writer: Any = SummaryWriter(str(folder / "tensorboard" / f"seed-{seed}"))

    def write(row: Mapping[str, float], epoch: int) -> None:
        for name, value in row.items():
            writer.add_scalar(name, value, epoch)

    try:
        yield write
    finally:
        writer.close()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the one command that works on a folder; the lock goes with the process.

    Raises:
        InputError: another has it.
    """
    if not is_first():
        yield
        return
    with (folder / SETTINGS).open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"the run {str(folder)!r} is in use by another process") from None
        except OSError as error:
            raise InputError(
                f"the run {str(folder)!r} cannot be locked: {error.strerror}; give an `out` on a "
                "file system with locks"
            ) from None
        yield
