"""A card: what was trained on what and how, with its figures, as JSON beside the weights."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from se_nas.documents import read_json
from se_nas.errors import InputError
from se_nas.files import replace_atomically
from se_nas.tasks.statistics import Summary
from se_nas.tasks.train_config import TrainConfig
from se_nas.texts import first_line

FORMAT = 1
CARD = "card.json"


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        end: ``complete``, or why it ended before: then there are no figures of the test.
        val_acc, test_acc: in [0, 1], after the last epoch.
        curve: what each epoch gave: ``train_loss``, ``val_loss``, ``val_acc``, ``seconds``.
        weights: the file beside the card.
    """

    seed: int
    end: str
    val_acc: float | None = None
    test_acc: float | None = None
    test_loss: float | None = None
    curve: Sequence[Mapping[str, float]] = ()
    weights: str | None = None


@dataclass(frozen=True)
class Card:
    """What a training says of itself.

    Attributes:
        config: all settings; a training by them again is what ``verify`` does.
        architecture: as JSON text, whatever names come to mean.
        params, macs: of the network on these images.
        data: its line, and the hash of its content.
        test: mean and interval of the runs that are complete; None if none is.
        versions, hardware: of the machine that trained the last run.
        command: that a shell takes.
    """

    config: TrainConfig
    architecture: str
    params: int
    macs: int
    data: Mapping[str, Any]
    runs: tuple[Run, ...]
    test: Summary | None
    versions: Mapping[str, str]
    hardware: Mapping[str, Any]
    command: str

    def lines(self) -> Iterator[str]:
        """Yield what is to be said of the result."""
        for run in self.runs:
            if run.test_acc is None:
                yield f"seed {run.seed}: {run.end}"
        if self.test is None:
            yield "no training came to its end"
        elif self.test.std is None:
            yield (
                f"test_acc {100 * self.test.mean:.2f} % ({100 * self.test.low:.2f} to "
                f"{100 * self.test.high:.2f}, 95 % by the number of test images; more seeds tell "
                "how trainings spread)"
            )
        else:
            count = sum(run.test_acc is not None for run in self.runs)
            mean, std, low, high = (100 * value for value in astuple(self.test))
            yield (
                f"test_acc {mean:.2f} ± {std:.2f} % over {count} seeds; the next training: "
                f"{low:.2f} to {high:.2f} (95 %)"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, as the file has them."""
        return {"format": FORMAT, **asdict(self), "config": self.config.to_dict()}

    def write(self, folder: Path) -> Path:
        """Write ``card.json``.

        Raises:
            OSError: it cannot be written.
        """
        path = folder / CARD
        replace_atomically(path, (json.dumps(self.to_dict(), indent=1) + "\n").encode())
        return path

    @classmethod
    def read(cls, path: Path) -> Card:
        """Read a card; ``path`` is the file or its folder.

        Raises:
            InputError: there is none, or it is damaged or of a newer version.
        """
        path = path / CARD if path.is_dir() else path
        try:
            values = dict(read_json(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise InputError(f"card {str(path)!r} cannot be read: {error.strerror}") from None
        except (ValueError, TypeError) as error:
            raise InputError(f"card {str(path)!r} cannot be read: {first_line(error)}") from None
        if values.pop("format", None) != FORMAT:
            raise InputError(f"card {str(path)!r} is of another version; this one reads {FORMAT}")
        try:
            values["config"] = TrainConfig.from_dict(values["config"])
            values["runs"] = tuple(Run(**run) for run in values["runs"])
            values["test"] = values["test"] and Summary(**values["test"])
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise InputError(f"card {str(path)!r} is damaged: {error}") from None


def hardware(device: str, threads: int, processes: int = 1) -> dict[str, Any]:
    """Return what a training ran on."""
    import torch

    found: dict[str, Any] = {"machine": platform.machine(), "device": device, "threads": threads}
    if processes > 1:
        found["processes"] = processes
    if device == "cuda":
        found["gpu"] = torch.cuda.get_device_name()
    return found
