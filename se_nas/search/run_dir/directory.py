"""The run directory: complete by itself.

space.json  settings.json  run.toml  versions.json  data.json.gz  study.journal  latency.json
errors/  checkpoints/  finals/  tensorboard/  lock  driver.json  results.json
winner.json  winner.safetensors  card.json  report.html
while trials run: tune/, Ray Tune's own
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from se_nas.errors import InputError, unknown
from se_nas.files import expand_home, replace_atomically
from se_nas.search.config import SearchConfig
from se_nas.search.config_file import to_toml
from se_nas.settings import by_option, check_options
from se_nas.texts import first_line

SPACE, SETTINGS, VERSIONS = "space.json", "settings.json", "versions.json"
LATENCY, DRIVER = "latency.json", "driver.json"
RESULTS, WINNER = "results.json", "winner.json"
# Key of ``RESULTS``: why nothing in the run was trained to its end.
FAILED = "failed"
DAMAGED = "; put it back from a copy, or start a new run"


@dataclass(frozen=True)
class Driver:
    """A process that works on a study.

    Attributes:
        driver: its name in the study.
        joined: whether another driver began the study.
    """

    driver: str
    joined: bool


@dataclass(frozen=True)
class RunDirectory:
    """Paths in one run's folder; ``created_parents`` those made for it."""

    path: Path
    created_parents: tuple[Path, ...] = ()

    @property
    def journal(self) -> Path:
        return self.path / "study.journal"

    @property
    def errors(self) -> Path:
        return self.path / "errors"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def finals(self) -> Path:
        return self.path / "finals"

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def driver(self) -> Driver | None:
        """The run's driver in a study in a database; None without the file ``driver.json``.

        Raises:
            InputError: the file names no driver.
        """
        if not (self.path / DRIVER).exists():
            return None
        data = self.read(DRIVER)
        name, joined = data.get("driver"), data.get("joined")
        if not isinstance(name, str) or not isinstance(joined, bool):
            raise InputError(
                f"{display_path(self.path / DRIVER)!r} does not say which driver the run has; "
                'it holds {"driver": NAME, "joined": true or false}'
            )
        return Driver(name, joined)

    @property
    def joined(self) -> bool:
        """Whether its driver joined a study that another one began."""
        return self.driver is not None and self.driver.joined

    @property
    def winner(self) -> Path:
        return self.path / "winner.safetensors"

    @property
    def shown(self) -> str:
        """The folder as a user would write it: relative to the working directory if shorter."""
        return display_path(self.path)

    @property
    def resume(self) -> str:
        """The setting that takes the run up, as messages have settings: between backticks."""
        return f"`resume={self.shown!r}`" if "`" not in self.shown else f"resume={self.shown!r}"

    @property
    def complete(self) -> bool:
        """Whether the run came to its end: a winner was chosen, or the driver that joined left.

        Raises:
            InputError: the file of its results cannot be read.
        """
        if not os.path.lexists(self.path / RESULTS):
            return False
        return not {"winner", "joined"}.isdisjoint(self.read(RESULTS))

    def settings(self) -> SearchConfig:
        """Read the settings of the run.

        Raises:
            InputError: their file cannot be read, or holds others than this version's.
        """
        data = self.read(SETTINGS)
        with self.reading(SETTINGS):
            if "data" not in data:
                raise InputError("it holds no settings of a run")
            config = SearchConfig.from_dict(data)
            check_options(SearchConfig, by_option(config))
            return config

    @contextlib.contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Turn what a damaged file leads to into one line that names it and says what to do."""
        where = display_path(self.path / name)
        try:
            yield
        except InputError as error:
            raise InputError(f"{where!r}: {error}{DAMAGED}") from None
        except (ValueError, TypeError, KeyError, AttributeError, LookupError) as error:
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise InputError(f"{where!r} is damaged ({reason}){DAMAGED}") from None

    @property
    def failed(self) -> bool:
        """Whether it ended without any network: nothing in it is worth to be taken up."""
        try:
            return FAILED in self.read(RESULTS)
        except InputError:
            return False

    def write_error(self, name: str, text: str) -> str:
        """Write a traceback to ``errors/NAME.txt``; return `` (PATH)``, empty if that fails.

        It is called while trials run: a full disk costs the file, and no trial.
        """
        path = self.errors / f"{name}.txt"
        try:
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            return ""
        return f" ({display_path(path)})"

    def make_folders(self) -> None:
        """Make the folders that are written into while the run goes.

        Raises:
            InputError: something else has the name of one.
        """
        for folder in (self.errors, self.checkpoints, self.finals, self.path / "tune"):
            if os.path.lexists(folder) and not folder.is_dir():
                raise InputError(f"{display_path(folder)!r} is no folder; move it away")
        for folder in (self.errors, self.checkpoints):
            folder.mkdir(exist_ok=True)

    def discard(self) -> None:
        """Take back the folder of a run that never began, and the parents made for it."""
        shutil.rmtree(self.path, ignore_errors=True)  # NFS keeps a lock that is held
        for parent in self.created_parents:
            with contextlib.suppress(OSError):  # somebody else uses it by now
                parent.rmdir()

    @contextlib.contextmanager
    def discarded_on(self, *refusals: type[BaseException]) -> Iterator[None]:
        """Take the folder back if one of ``refusals`` ends the block: nothing was trained yet."""
        try:
            yield
        except refusals:
            self.discard()
            raise

    def read(self, name: str) -> dict[str, Any]:
        """Read the JSON of ``write``.

        Raises:
            InputError: there is no such file, or it holds no JSON object.
        """
        try:
            data = json.loads(self.read_text(name))
        except (ValueError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            data = None
        if not isinstance(data, dict):
            where = display_path(self.path / name)
            raise InputError(f"{where!r} holds no JSON object{DAMAGED}")
        return data

    def read_text(self, name: str) -> str:
        """Return a file's text.

        Raises:
            InputError: there is no such file, or it is no UTF-8.
        """
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8"
            raise InputError(f"{display_path(self.path / name)!r}: {reason}") from None

    def write(self, name: str, data: object) -> None:
        """Write JSON so that a reader sees the old file or the new one, never half of it."""
        self._write_text(name, json.dumps(data, indent=2) + "\n")

    def write_settings(self, config: SearchConfig) -> None:
        """Write ``settings.json``, and ``run.toml``, with which ``--config`` repeats the run.

        The latter has no name of the run, and its space is the one here: a file may have changed.
        """
        self.write(SETTINGS, config.to_dict())
        again = replace(config, space=str(self.path / SPACE), name=None)
        self._write_text("run.toml", to_toml(again))

    def _write_text(self, name: str, text: str) -> None:
        content = text.encode("utf-8", errors="backslashreplace")
        replace_atomically(self.path / name, content)


def find(name_or_path: str, out: str, what: str = "") -> RunDirectory:
    """Find the folder of a run, by its path or by its name in ``out``.

    Args:
        what: how an error names it [default: as the setting ``resume``].

    Raises:
        InputError: there is no run.
    """
    out = expand_home(out)
    places = [Path(expand_home(name_or_path)).absolute(), (Path(out) / name_or_path).absolute()]
    for path in places:
        needed = [path / name for name in (SETTINGS, SPACE)]
        missing = [file.name for file in needed if not os.path.isfile(file)]
        if not missing:
            return RunDirectory(path)
        if len(missing) < len(needed) or os.path.isfile(path / VERSIONS):
            raise InputError(f"the run {display_path(path)!r} lacks {' and '.join(missing)}")
    files = Path(out).glob(f"*/{SETTINGS}") if os.path.isdir(out) else ()
    runs = sorted(file.parent.name for file in files)
    if runs:
        raise unknown("run", name_or_path, runs, f" (in {out!r}), or a path")
    raise InputError(
        f"{what or f'`resume={name_or_path!r}`'}: no run is there, nor in `out={out!r}`; give a "
        f"folder with {SETTINGS} and {SPACE}"
    )


def display_path(path: Path) -> str:
    """Return a path relative to the working directory, if that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)


def last_error(run: RunDirectory) -> str:
    """Return `` (LINE)``, the last line of the newest traceback in a run; empty without one."""
    files = sorted(run.errors.glob("*.txt"), key=lambda file: file.stat().st_mtime)
    for file in reversed(files):
        with contextlib.suppress(OSError):
            lines = file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            if lines:
                return f" ({lines[-1]})"
    return ""
