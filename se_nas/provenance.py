"""Provenance of a run: versions, and the state of the checkout."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from se_nas import __version__

UNKNOWN = "unknown"


def versions() -> dict[str, str]:
    """Return the versions of packages, Python and platform, and the checkout's commit."""
    packages = ("torch", "torchvision", "ray", "optuna", "numpy")
    return {name: version(name) for name in packages} | {
        "se-nas": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "git": git_state(),
    }


def git_state(file: Path = Path(__file__)) -> str:
    """Return the commit of the checkout that a file is in, ``-dirty`` if it was changed since.

    It is ``unknown`` for a file outside of a repository, or one that its repository does not track,
    as in a virtual environment.
    """

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        done = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, timeout=10)
        return done.stdout.strip()

    try:
        tracked = git("ls-files", "--", file.name)
        return (git("describe", "--always", "--dirty", "--abbrev=12") if tracked else "") or UNKNOWN
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
