"""What a run says of the code that made it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from se_nas import __version__
from se_nas.provenance import git_state, versions


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=n", "-c", "user.email=e@e")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_commit_is_that_of_the_checkout_which_has_the_file(tmp_path: Path) -> None:
    file, installed = tmp_path / "code.py", tmp_path / ".venv" / "code.py"
    installed.parent.mkdir()
    for path in (file, installed):
        path.write_text("1\n")
    assert git_state(file) == "unknown"
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-qm", "first")
    commit = git_state(file)
    assert len(commit) == 12
    assert git_state(installed) == "unknown"  # the repository is somebody else's
    file.write_text("2\n")
    assert git_state(file) == f"{commit}-dirty"


def test_the_versions_name_ours() -> None:
    assert versions()["se-nas"] == __version__
    assert {"git", "python", "torch", "ray", "optuna"} <= set(versions())
