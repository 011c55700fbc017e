"""The run directory: complete by itself.

space.json  settings.json  versions.json  study.journal  errors/  results.json
winner.json  winner.safetensors
"""

from __future__ import annotations

import contextlib
import json
import platform
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from se_nas.errors import InputError
from se_nas.search.settings import RunConfig
from se_nas.space import Space


@dataclass(frozen=True)
class RunDirectory:
    """Paths in one run's folder; ``made`` are the parents that it was the first to need."""

    path: Path
    made: tuple[Path, ...] = ()

    @property
    def journal(self) -> Path:
        return self.path / "study.journal"

    @property
    def errors(self) -> Path:
        return self.path / "errors"

    @property
    def winner(self) -> Path:
        return self.path / "winner.safetensors"

    def discard(self) -> None:
        """Take back the folder of a run that never began, and the parents made for it."""
        shutil.rmtree(self.path)
        for parent in self.made:
            with contextlib.suppress(OSError):  # somebody else uses it by now
                parent.rmdir()

    def write(self, name: str, data: Any) -> None:
        """Write JSON so that a reader sees the old file or the new one, never half of it."""
        part = self.path / f"{name}.part"
        part.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        part.replace(self.path / name)


def create(space: Space, config: RunConfig) -> RunDirectory:
    """Make the folder of a new run and write what it starts from.

    Raises:
        InputError: the folder exists, or cannot be made.
    """
    now = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    name = config.name or f"{space.name}-{config.data.name}-{now}"
    path = (Path(config.out) / name).absolute()
    made = tuple(parent for parent in path.parents if not parent.exists())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()
        run = RunDirectory(path, made)
        run.errors.mkdir()
        run.write("space.json", json.loads(space.to_json()))
        run.write("settings.json", config.to_dict())
        run.write("versions.json", versions())
    except FileExistsError:
        if path.parent.is_dir():
            raise InputError(
                f"the run {str(path)!r} exists already; give another --name or --out"
            ) from None
        raise InputError(f"--out {config.out!r} is a file; give a folder") from None
    except OSError as error:
        raise InputError(
            f"the folder {str(path)!r} cannot be written: {error.strerror or error}"
        ) from None
    return run


def versions() -> dict[str, str]:
    """What the run was made with."""
    packages = ("torch", "torchvision", "ray", "optuna", "numpy")
    return {name: version(name) for name in packages} | {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "git": _git_state(),
    }


def _git_state() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"
