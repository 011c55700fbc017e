"""Cache of finished retrainings: kept until the run is complete, so that none is repeated.

finals/ID-seedS-epochsE.json  and  .safetensors: the network's canonical id, the seed, the budget
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from se_nas.architecture.architecture import Architecture
from se_nas.files import replace_atomically
from se_nas.search.worker.reports import End
from se_nas.search.worker.retrain import RetrainResult

# Ends that a second run would repeat; an error or a lost worker may be mended by then.
FINAL_ENDS: tuple[End, ...] = ("complete", "not_finite")
FILE = re.compile(r"\w+-seed\d+-epochs\d+\.(json|safetensors)")
Keep = Callable[[Architecture, int, RetrainResult], None]


def remove(folder: Path) -> None:
    """Remove the retrainings of a run that is complete; what else lies there stays."""
    for file in folder.glob("*"):
        if FILE.fullmatch(file.name):
            with contextlib.suppress(OSError):
                file.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()


@dataclass(frozen=True)
class RetrainingCache:
    """The folder of a run's retrainings, each of ``epochs``."""

    folder: Path
    epochs: int

    def put(self, architecture: Architecture, seed: int, done: RetrainResult) -> None:
        """Store a result if a second run would give the same."""
        if done.end not in FINAL_ENDS:
            return
        self.folder.mkdir(exist_ok=True)
        told, weights = self._files(architecture, seed)
        replace_atomically(weights, done.weights)
        content = json.dumps(asdict(done) | {"weights": ""})
        replace_atomically(told, content.encode())  # last: it says that the weights are there

    def get(self, architecture: Architecture, seed: int) -> RetrainResult | None:
        """Return a result that was stored; None without one, or if another version's differs."""
        told, weights = self._files(architecture, seed)
        try:
            values = json.loads(told.read_text(encoding="utf-8"))
            values["curve"] = tuple(values.get("curve", ()))
            done = RetrainResult(**{**values, "weights": weights.read_bytes()})
        except (OSError, ValueError, TypeError, AttributeError):
            return None
        return done if done.end in FINAL_ENDS else None

    def train_missing(
        self,
        pairs: Sequence[tuple[Architecture, int]],
        train: Callable[[Sequence[tuple[Architecture, int]]], list[RetrainResult]],
    ) -> list[RetrainResult]:
        """Return the result of every pair; ``train`` makes those that are not here."""
        kept = [self.get(*pair) for pair in pairs]
        missing = [pair for pair, done in zip(pairs, kept, strict=True) if done is None]
        trained = iter(train(missing) if missing else [])
        return [next(trained) if done is None else done for done in kept]

    def _files(self, architecture: Architecture, seed: int) -> tuple[Path, Path]:
        stem = f"{architecture.id}-seed{seed}-epochs{self.epochs}"
        return self.folder / f"{stem}.json", self.folder / f"{stem}.safetensors"
